//! Which modules of a crate use which, as far as its source says: for tests of a crate's shape.

mod lexer;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{Item, SourceFile, parse};

/// The source of a crate.
pub struct CrateSource {
    /// By the segments of the module's path; the root's are none.
    files: BTreeMap<Vec<String>, SourceFile>,
}

impl CrateSource {
    /// Reads a crate's `src` directory.
    pub fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        read(src, "", &mut files);
        Self::of(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// The same of files that are given by name and content.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { files: files.into_iter().map(|(name, text)| (module_path(name), parse(name, text))).collect() }
    }

    /// The names of the types and traits that stand at the top of a file, each with the file's name.
    pub fn types(&self) -> Vec<(&str, &str)> {
        let is_type = |item: &Item| ["struct", "enum", "union", "trait", "type"].contains(&&*item.keyword);
        let all = self.files.values().flat_map(|file| file.items.iter().map(move |item| (item, file)));
        all.filter(|(item, _)| is_type(item)).map(|(item, file)| (&*item.name, &*file.name)).collect()
    }

    /// Items that use each other, directly or through others: the nodes of each cycle.
    ///
    /// A node is a file, and where a file has modules inside it (`lib.rs`, `mod.rs`), each of its items and of the
    /// functions of its types: modules use types, constants and functions that stand above them, which is a cycle only
    /// if what they use leads back to them. An import or a re-export stands for what it names, wherever that is
    /// defined. Items under `#[cfg(test)]` do not count, and calls of methods (`x.f()`) are not seen, since the
    /// text does not say whose they are.
    pub fn cycles(&self) -> Vec<BTreeSet<String>> {
        let uses = self.uses();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            uses.keys().map(|node| (node.as_str(), reached(&uses, node))).collect();
        let leads_to = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
        let in_cycles = reached.keys().filter(|node| leads_to(node, node));
        let cycles = in_cycles.map(|node| {
            let with_it = reached.keys().filter(|other| leads_to(node, other) && leads_to(other, node));
            with_it.map(ToString::to_string).collect()
        });
        cycles.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Which nodes each node uses, itself left out.
    fn uses(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, file) in &self.files {
            let mut named: BTreeSet<&str> = BTreeSet::new();
            for item in &file.items {
                let node = self.node(module, &item.name);
                named.extend(item.paths.iter().map(|path| path[0].as_str()));
                let used = item.paths.iter().filter_map(|path| self.resolve(module, path, 0));
                all.entry(node.clone()).or_default().extend(used.filter(|used| *used != node));
            }
            // Traits are imported for their methods, which do not name them.
            let is_unnamed = |name: &str| name == "_" || !named.contains(name);
            let unnamed =
                file.imports.iter().filter(|(name, _)| is_unnamed(name) && !self.has_modules(module));
            for (_, path) in unnamed {
                let node = self.node(module, "");
                let used = self.resolve(module, path, 0).filter(|used| *used != node);
                all.entry(node).or_default().extend(used);
            }
        }
        all
    }

    fn has_modules(&self, module: &[String]) -> bool {
        self.files.keys().any(|other| other.len() == module.len() + 1 && other.starts_with(module))
    }

    /// The node that an item of a module is or belongs to.
    fn node(&self, module: &[String], item: &str) -> String {
        let file = &self.files[module].name;
        if self.has_modules(module) { format!("{file} {item}") } else { file.clone() }
    }

    /// The node that a path in a module leads to. None if that is a module, or in another crate.
    fn resolve(&self, module: &[String], path: &[String], depth: u32) -> Option<String> {
        // `pub(super)` names nothing.
        let names = path.last().is_some_and(|last| !["crate", "self", "super"].contains(&last.as_str()));
        let absolute = names.then(|| self.absolute(module, path, depth))??;
        let length =
            (0..=absolute.len()).rev().find(|length| self.files.contains_key(&absolute[..*length]))?;
        let (module, rest) = absolute.split_at(length);
        if !rest.is_empty() {
            return self.item(module, rest, depth);
        }
        // A function may have the name of its module, and be re-exported beside it.
        let above = &module[..module.len().checked_sub(1)?];
        let name = &module[above.len()..];
        let is_import = self.files[above].imports.iter().any(|(import, _)| *import == name[0]);
        is_import.then(|| self.item(above, name, depth))?
    }

    /// A path in a module, from the root. None if it leads to another crate.
    fn absolute(&self, module: &[String], path: &[String], depth: u32) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => return Some([module, rest].concat()),
            "super" => {
                let above = rest.iter().take_while(|segment| *segment == "super").count();
                return Some([&module[..module.len().checked_sub(above + 1)?], &rest[above..]].concat());
            }
            _ => {}
        }
        let within = [module, path].concat();
        let is_module = !rest.is_empty() && self.files.contains_key(&within[..=module.len()]);
        let file = &self.files[module];
        let is_item = file.items.iter().any(|item| item.name == *first);
        if is_module || (is_item && self.has_modules(module)) {
            return Some(within);
        }
        let (_, import) = file.imports.iter().find(|(name, path)| name == first && path[0] != *first)?;
        // Imports may go round.
        if depth < 8 { self.absolute(module, &[import, rest].concat(), depth + 1) } else { None }
    }

    /// The node where an item of a module, or a function of a type, is defined.
    fn item(&self, module: &[String], names: &[String], depth: u32) -> Option<String> {
        let file = &self.files[module];
        let name = &names[0];
        let function = names.get(1).map(|function| format!("{name}::{function}"));
        let defines = |file: &SourceFile, name: &str| file.items.iter().any(|item| item.name == name);
        if let Some(function) = function.filter(|function| defines(file, function)) {
            return Some(self.node(module, &function));
        }
        if depth > 8 || defines(file, name) {
            return Some(self.node(module, name));
        }
        if let Some((_, import)) = file.imports.iter().find(|(import, _)| import == name) {
            return self.resolve(module, &[import, &names[1..]].concat(), depth + 1);
        }
        let globs = file.imports.iter().filter(|(import, _)| import == "*");
        let mut globs = globs.filter_map(|(_, all)| self.absolute(module, all, depth + 1));
        let from = globs.find(|from| self.files.get(from).is_some_and(|file| defines(file, name)));
        // Where nothing defines it that is seen, a macro does.
        Some(self.node(&from.unwrap_or(module.to_vec()), name))
    }
}

/// All that a node leads to.
fn reached<'a>(uses: &'a BTreeMap<String, BTreeSet<String>>, node: &str) -> BTreeSet<&'a str> {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&String> = uses[node].iter().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(uses.get(next).into_iter().flatten());
        }
    }
    reached
}

fn read(directory: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    for entry in entries {
        let entry = entry.expect("the directory can be read");
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().display()));
        if path.is_dir() {
            read(&path, &format!("{name}/"), files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((name, std::fs::read_to_string(path).expect("the source can be read")));
        }
    }
}

/// `graph/node_set.rs` is `graph::node_set`, `graph/mod.rs` is `graph`, `lib.rs` the root.
fn module_path(file: &str) -> Vec<String> {
    let mut path: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || path == ["lib"] || path == ["main"] {
        path.pop();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::CrateSource;

    /// Sees which cycles there are in some files, each as its nodes with commas between them.
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let cycles = CrateSource::of(files.iter().copied()).cycles();
        let cycles: Vec<String> = cycles.into_iter().map(|it| Vec::from_iter(it).join(", ")).collect();
        assert_eq!(cycles, expected, "{files:?}");
    }

    #[test]
    fn cycles_are_found_however_they_are_written() {
        for a in [
            "use crate::b::B;",
            "use crate::{b::{self, B}, c};",
            "use super::b; fn f() { b::g() }",
            "fn f() -> super::b::B { todo!() }",
            "fn f() { use super::b::{B}; }",
            "fn f() { assert!(crate::b::g()) }",
            "use crate::B;",
            "use super::{Other as B};",
            "use crate::b::T as _;",
        ] {
            let lib = "mod a; mod b; pub use b::B; pub use self::b::B as Other;";
            check(
                &[("lib.rs", lib), ("a.rs", a), ("b.rs", "use crate::a::A; struct B; trait T {}")],
                &["a.rs, b.rs"],
            );
        }
    }

    #[test]
    fn what_is_no_cycle() {
        for a in [
            "struct A;",
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "// crate::b::B\nconst B: &str = \"crate::b::B\";",
            "use other::b::B;",
            "fn f(b: A) { b.b() }",
        ] {
            check(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", "use crate::a::A; struct B;")], &[]);
        }
    }

    #[test]
    fn a_file_with_modules_is_as_many_nodes_as_it_has_items() {
        let child = "use super::{LIMIT, Options}; pub fn run(_: Options) { LIMIT::f() }";
        let limit = "mod child; pub const LIMIT: [u8; 1] = [1]; pub struct Options { x: u8 }";
        let parent = |more: &str| format!("{limit} {more}");
        for (more, expected) in [
            ("pub fn all(o: Options) { child::run(o) }", &[][..]),
            ("use child::run; pub fn all(o: Options) { run(o) }", &[]),
            ("impl Options { fn all(self) { child::run(self) } }", &[]),
            ("impl<T: Iterator<Item = ()>> From<T> for Options { fn all(self) { child::run(self) } }", &[]),
            ("pub enum LIMIT { child(u8) }", &[]),
            ("pub enum LIMIT { A(child::X) }", &["a/child.rs, a/mod.rs LIMIT"]),
            (
                "impl LIMIT { fn f() { Self::g() } fn g() { child::run() } }",
                &["a/child.rs, a/mod.rs LIMIT::f, a/mod.rs LIMIT::g"],
            ),
        ] {
            check(&[("lib.rs", "mod a;"), ("a/mod.rs", &parent(more)), ("a/child.rs", child)], expected);
        }
    }

    #[test]
    fn types_have_names() {
        let source = CrateSource::of([
            ("lib.rs", "pub struct A(u8); pub(crate) enum B<T> { A(T) } impl A { type C = u8; }"),
            ("d.rs", "#[derive(Debug)] unsafe trait D {} type E = u8; fn f() { struct G; }"),
        ]);
        assert_eq!(source.types(), [("A", "lib.rs"), ("B", "lib.rs"), ("D", "d.rs"), ("E", "d.rs")]);
    }
}
