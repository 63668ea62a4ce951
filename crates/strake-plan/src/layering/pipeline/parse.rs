//! Pipelines from JSON.

use std::num::NonZeroUsize;

use serde_json::Value;

use super::error::{PipelineError, Problem};
use super::op::{Names, OPERATIONS, Op, Pipeline, label, shortened};

/// Operations may stand in each other so deep. Nothing that people write comes near it.
const MAX_DEPTH: usize = 64;

/// Reads a pipeline and checks all of it, but for what can only be known when it runs.
pub fn parse(text: &[u8]) -> Result<Pipeline, PipelineError> {
    let value: Value = serde_json::from_slice(text).map_err(PipelineError::Json)?;
    Ok(Pipeline(steps(&value, 0)?))
}

fn steps(value: &Value, depth: usize) -> Result<Vec<Op>, PipelineError> {
    let Value::Array(steps) = value else {
        return Err(Problem::Shape { expected: "a list of operations", found: describe(value) }.into());
    };
    let step = |(index, value)| operation(value, depth).map_err(|error| error.in_step(index));
    steps.iter().enumerate().map(step).collect()
}

fn operation(value: &Value, depth: usize) -> Result<Op, PipelineError> {
    let Some([Value::String(name), arguments @ ..]) = value.as_array().map(Vec::as_slice) else {
        let expected = "a list that begins with the name of an operation";
        return Err(Problem::Shape { expected, found: describe(value) }.into());
    };
    let Some((_, expected)) = OPERATIONS.iter().find(|(known, _)| known == name) else {
        return Err(Problem::Unknown(name.clone()).into());
    };
    let key = arguments.first().and_then(Value::as_str).filter(|_| name == "over");
    let result = if depth == MAX_DEPTH {
        Err(Problem::Depth(MAX_DEPTH).into())
    } else {
        known(name, arguments, expected, depth + 1)
    };
    result.map_err(|error| error.in_op(label(name, key)))
}

fn known(name: &str, arguments: &[Value], expected: &'static str, depth: usize) -> Result<Op, PipelineError> {
    let wrong = || {
        let found = match arguments {
            [] => "nothing".to_owned(),
            all => all.iter().map(describe).collect::<Vec<_>>().join(" and "),
        };
        Problem::Arguments { expected, found: shortened(&found) }
    };
    Ok(match (name, arguments) {
        ("flatten", []) => Op::Flatten,
        ("popularity_contest", []) => Op::PopularityContest,
        ("reverse", []) => Op::Reverse,
        ("map", [nested]) => Op::Map(Box::new(operation(nested, depth)?)),
        ("over", [Value::String(key), nested]) => {
            Op::Over { key: key.clone(), op: Box::new(operation(nested, depth)?) }
        }
        ("pipe", [nested]) => Op::Pipe(steps(nested, depth)?),
        ("limit_layers", [count]) => Op::LimitLayers(number(count).ok_or_else(wrong)?),
        ("split_every", [count]) => Op::SplitEvery(number(count).ok_or_else(wrong)?),
        ("remove_paths", [paths]) => Op::RemovePaths(one_or_more(paths).ok_or_else(wrong)?.into()),
        ("reorder", [keys]) => Op::Reorder(texts(keys).ok_or_else(wrong)?),
        ("subcomponent_in", [paths]) => Op::SubcomponentIn(texts(paths).ok_or_else(wrong)?.into()),
        ("subcomponent_out", [paths]) => Op::SubcomponentOut(texts(paths).ok_or_else(wrong)?.into()),
        ("split_paths", [specs]) => split_paths(specs)?.ok_or_else(wrong)?,
        _ => return Err(wrong().into()),
    })
}

fn number(value: &Value) -> Option<NonZeroUsize> {
    NonZeroUsize::new(usize::try_from(value.as_u64()?).ok()?)
}

/// A list of texts. A text counts as one of its letters, none of which names anything.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(_) => Some(Vec::new()),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A list of texts, or one text.
fn one_or_more(value: &Value) -> Option<Vec<String>> {
    value.as_str().map_or_else(|| texts(value), |text| Some(vec![text.to_owned()]))
}

fn split_paths(specs: &Value) -> Result<Option<Op>, Problem> {
    let specs = match specs {
        Value::Array(specs) => specs.as_slice(),
        Value::String(_) => &[],
        _ => return Ok(None),
    };
    let (mut paths, mut parents) = (Vec::new(), Vec::new());
    for spec in specs {
        let wrong = || Problem::Arguments {
            expected: "a path or {\"children_of\": a path or a list of paths} in its list",
            found: describe(spec),
        };
        match spec {
            Value::String(path) => paths.push(path.clone()),
            Value::Object(spec) => {
                parents.extend(spec.get("children_of").and_then(one_or_more).ok_or_else(wrong)?);
            }
            _ => return Err(wrong()),
        }
    }
    Ok(Some(Op::SplitPaths { paths: Names::from(paths), children_of: Names::from(parents) }))
}

/// The type of a value, for messages.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {}", shortened(&number.to_string())),
        Value::String(text) => format!("the text {:?}", shortened(text)),
        Value::Array(list) if list.is_empty() => "an empty list".to_owned(),
        Value::Array(_) | Value::Object(_) => shortened(&value.to_string()),
    }
}
