//! A source file as items, and the paths in them.

use super::lexer::tokens;

/// A file's items, but for declarations of modules, imports and what is only there for tests.
pub(super) struct SourceFile {
    /// Its name below `src`.
    pub(super) name: String,
    pub(super) items: Vec<Item>,
    /// The names that it imports or re-exports, `*` for all, and what they stand for.
    pub(super) imports: Vec<(String, Vec<String>)>,
}

/// An item at the top of a file.
pub(super) struct Item {
    pub(super) keyword: String,
    /// Its name. A function in an `impl` is an item, too: `Type::function`.
    pub(super) name: String,
    /// The paths in it, of one segment or more.
    pub(super) paths: Vec<Vec<String>>,
}

pub(super) fn parse(name: &str, text: &str) -> SourceFile {
    let tokens = tokens(text);
    let mut file = SourceFile { name: name.to_owned(), items: Vec::new(), imports: Vec::new() };
    for whole in split(&tokens) {
        let (attributes, item) = whole.split_at(head(whole));
        let is_for_tests = attributes.windows(4).any(|words| words == ["cfg", "(", "test", ")"]);
        match item {
            _ if is_for_tests => {}
            [keyword, tree @ ..] if keyword == "use" => file.imports.extend(imports(tree)),
            [keyword, _, end] if keyword == "mod" && end == ";" => {}
            [keyword, ..] if keyword == "impl" => associated(item, &mut file.items),
            [keyword, rest @ ..]
                if keyword == "unsafe" && rest.first().is_some_and(|word| word == "impl") =>
            {
                associated(rest, &mut file.items);
            }
            _ => file.items.push(parse_item(item, attributes)),
        }
    }
    file
}

fn parse_item(item: &[String], attributes: &[String]) -> Item {
    let modifiers = ["const", "unsafe", "async", "extern", "\"", "default", "auto"];
    let mut unmodified = item.iter().skip_while(|word| modifiers.contains(&word.as_str()));
    let keyword = match unmodified.next() {
        Some(word) if ["fn", "trait"].contains(&word.as_str()) => word,
        _ => &item[0],
    };
    let name = item.iter().skip_while(|word| *word != keyword).nth(1).cloned().unwrap_or_default();
    let mut paths = paths(item);
    if keyword == "enum" {
        let variants = variants(item);
        paths.retain(|path| path.len() > 1 || !variants.contains(&&path[0]));
    }
    paths.extend(self::paths(attributes));
    Item { keyword: keyword.clone(), name, paths }
}

/// The names of an enum's variants.
fn variants(item: &[String]) -> Vec<&String> {
    let (mut depth, mut found) = (0, Vec::new());
    for (place, token) in item.iter().enumerate() {
        depth += i32::from("{([".contains(token.as_str())) - i32::from("})]".contains(token.as_str()));
        if depth == 1 && place > 0 && ["{", ",", "]"].contains(&item[place - 1].as_str()) {
            found.push(token);
        }
    }
    found
}

/// The functions, constants and types in an `impl`.
fn associated(item: &[String], items: &mut Vec<Item>) {
    let of = implemented(item);
    let opens = item.iter().position(|token| token == "{").map_or(item.len(), |place| place + 1);
    let block = &item[opens..item.len().max(opens + 1) - 1];
    for whole in split(block) {
        let (attributes, function) = whole.split_at(head(whole));
        let mut function = parse_item(function, attributes);
        for path in &mut function.paths {
            if path[0] == "Self" {
                path[0].clone_from(&of);
            }
        }
        function.name = format!("{of}::{}", function.name);
        "fn".clone_into(&mut function.keyword);
        items.push(function);
    }
}

/// The name of the type that an `impl` is for.
fn implemented(words: &[String]) -> String {
    let (mut depth, mut name) = (0_i32, "");
    for (place, word) in words.iter().enumerate() {
        match word.as_str() {
            "<" => depth += 1,
            ">" if words[place - 1] != "-" => depth -= 1,
            "{" | "where" if depth == 0 => break,
            "for" if depth == 0 => name = "",
            word if depth == 0 && word.starts_with(|c: char| c.is_alphabetic()) && word != "impl" => {
                name = word;
            }
            _ => {}
        }
    }
    name.to_owned()
}

/// Splits a file into its items, with the attributes before them.
fn split(tokens: &[String]) -> Vec<&[String]> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (place, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        let ends = token == ";" || (token == "}" && has_block(&tokens[start..]));
        if depth == 0 && ends {
            items.push(&tokens[start..=place]);
            start = place + 1;
        }
    }
    items
}

/// Whether an item ends with its braces, rather than with a semicolon.
fn has_block(tokens: &[String]) -> bool {
    match &tokens[head(tokens)..] {
        [keyword, next, ..] if keyword == "const" => {
            ["fn", "unsafe", "async", "extern"].contains(&next.as_str())
        }
        [keyword, ..] => !["use", "static", "type"].contains(&keyword.as_str()),
        [] => true,
    }
}

/// Where an item begins, behind its attributes and its visibility.
fn head(tokens: &[String]) -> usize {
    let mut at = 0;
    loop {
        let opens = match tokens[at..].iter().map(String::as_str).take(3).collect::<Vec<_>>()[..] {
            ["#", "[", ..] | ["pub", "(", ..] => at + 1,
            ["#", "!", "["] => at + 2,
            ["pub", ..] => {
                at += 1;
                continue;
            }
            _ => return at,
        };
        let mut depth = 0;
        let closes = tokens[opens..].iter().position(|token| {
            depth += i32::from(token == "[" || token == "(") - i32::from(token == "]" || token == ")");
            depth == 0
        });
        at = opens + closes.unwrap_or(0) + 1;
    }
}

/// Reads the tree of a `use`, up to its semicolon: names, and what they stand for.
fn imports(tree: &[String]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    branch(tree, &mut 0, &[], &mut found);
    found
}

fn branch(tree: &[String], at: &mut usize, path: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let mut path = path.to_vec();
    while let Some(token) = tree.get(*at) {
        *at += 1;
        match token.as_str() {
            "::" => {}
            "*" => return found.push(("*".to_owned(), path)),
            "{" => {
                while tree.get(*at).is_some_and(|token| token != "}") {
                    branch(tree, at, &path, found);
                    *at += usize::from(tree.get(*at).is_some_and(|token| token == ","));
                }
                *at += 1;
                return;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        match tree.get(*at).map(String::as_str) {
            Some("::") => {}
            Some("as") => {
                *at += 2;
                return found.push((tree[*at - 1].clone(), path));
            }
            _ if token == "::" => {}
            _ => return found.push((path.last().cloned().unwrap_or_default(), path)),
        }
    }
}

/// All paths in some code, those of its imports among them.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let is_word = |token: &String| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let no_path_after = [".", "::", "fn", "struct", "enum", "trait", "type", "const", "static", "let", "mod"];
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
        if tokens[at] == "use" {
            found.extend(imports(&tokens[at + 1..]).into_iter().map(|(_, path)| path));
            at += tokens[at..].iter().take_while(|token| *token != ";").count();
        } else if is_word(&tokens[at]) && !no_path_after.contains(&before) {
            let start = at;
            while tokens.get(at + 1).is_some_and(|token| token == "::")
                && tokens.get(at + 2).is_some_and(is_word)
            {
                at += 2;
            }
            // A name before a colon is a field or a variable.
            if tokens.get(at + 1).is_none_or(|token| token != ":") {
                found.push(tokens[start..=at].iter().step_by(2).cloned().collect());
            }
        }
        at += 1;
    }
    found
}
