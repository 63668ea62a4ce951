//! JSON of which every byte can be chosen: keys may be there twice, or escaped.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// Keys as they are written, with their quotes.
    Object(Vec<(String, Json)>),
    List(Vec<Json>),
    /// A string, a number, or anything else, as it is written.
    Raw(String),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}")).into()
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::text).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}:{}", value.text())).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    /// The value at a place: keys and numbers with slashes between; the whole is at "".
    pub(crate) fn at(&mut self, path: &str) -> &mut Self {
        let steps: Vec<String> = path.split('/').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        self.below(&steps)
    }

    /// The value at a place, by its steps.
    pub(crate) fn below(&mut self, steps: &[String]) -> &mut Self {
        steps.iter().fold(self, |value, step| match value {
            Self::Object(entries) => {
                let entry = entries.iter_mut().find(|(key, _)| unquoted(key) == *step);
                &mut entry.unwrap_or_else(|| panic!("no {step} of {steps:?}")).1
            }
            Self::List(items) => &mut items[step.parse::<usize>().unwrap()],
            Self::Raw(text) => panic!("{steps:?} leads into {text}"),
        })
    }

    pub(crate) fn entries(&mut self) -> &mut Vec<(String, Self)> {
        match self {
            Self::Object(entries) => entries,
            other => panic!("{other:?} is not an object"),
        }
    }

    pub(crate) fn items(&mut self) -> &mut Vec<Self> {
        match self {
            Self::List(items) => items,
            other => panic!("{other:?} is not a list"),
        }
    }

    /// The places of all values, each with its steps.
    pub(crate) fn places(&self) -> Vec<Vec<String>> {
        let mut places = vec![Vec::new()];
        let mut below = |step: String, value: &Self| {
            let behind = |rest: Vec<String>| [vec![step.clone()], rest].concat();
            places.extend(value.places().into_iter().map(behind));
        };
        match self {
            Self::Object(entries) => entries.iter().for_each(|(key, value)| below(unquoted(key), value)),
            Self::List(items) => {
                items.iter().enumerate().for_each(|(number, item)| below(number.to_string(), item));
            }
            Self::Raw(_) => {}
        }
        places
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(entries) => {
                Self::Object(entries.into_iter().map(|(key, value)| (quoted(&key), value.into())).collect())
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            other => Self::Raw(other.to_string()),
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

pub(crate) fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
