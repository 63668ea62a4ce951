//! `strake plan`: writes down what an image is to be.

use schemars::schema_for;
use serde::Serialize;
use strake_image::spec::Conf;

use crate::cli::PlanCommand;
use crate::failure::Failure;
use crate::planning;
use crate::registry::Registries;

pub(crate) fn run(arguments: &PlanCommand) -> Result<(), Failure> {
    let text = if arguments.schema {
        json(&schema_for!(Conf))
    } else if let Some(conf) = &arguments.conf {
        json(&planning::complete(arguments, conf)?)
    } else {
        let (plan, roots, mut warnings) = (&arguments.plan, &arguments.roots, Vec::new());
        let registries = Registries::usual()?;
        let conf = planning::conf(plan, &arguments.store_root, roots, &registries, &mut warnings)?;
        super::warn_all(&warnings);
        json(&conf)
    };
    super::put(arguments.output.as_deref(), &text)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("it has only texts for keys");
    text.push(b'\n');
    text
}
