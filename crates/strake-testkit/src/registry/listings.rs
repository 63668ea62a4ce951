//! Lists: of tags, and of what refers to a manifest.

use serde_json::{Value, json};

use super::exchange::Exchange;
use super::personality::Referrers;
use super::response::Response;

/// Answers `tags/list`, in pages if the client asks for some.
pub(super) fn tags(exchange: &Exchange, repository: &str) -> Response {
    let state = exchange.context.state();
    let Some(found) = state.repositories.get(repository) else {
        return Response::error(404, "NAME_UNKNOWN", repository);
    };
    let last = exchange.head.parameter("last").unwrap_or_default();
    let rest: Vec<&String> = found.tags.keys().filter(|tag| **tag > last).collect();
    let most = exchange.head.parameter("n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let most = exchange.personality.tags_page.map_or(most, |page| page.min(most));
    let page = &rest[..rest.len().min(most)];
    let response = Response::json(200, &json!({"name": repository, "tags": page}));
    match page.last() {
        Some(last) if page.len() < rest.len() => {
            response.with("Link", format!("</v2/{repository}/tags/list?n={most}&last={last}>; rel=\"next\""))
        }
        _ => response,
    }
}

/// Answers `referrers/<digest>`, which is never 404 where there is such a list.
pub(super) fn referrers(exchange: &Exchange, repository: &str, subject: &str) -> Response {
    if exchange.personality.referrers == Referrers::Absent {
        return Response::new(404);
    }
    let wanted = exchange.head.parameter("artifactType");
    let state = exchange.context.state();
    let manifests = state.repositories.get(repository).map(|found| &found.manifests);
    let referring = manifests.into_iter().flatten().filter_map(|(digest, manifest)| {
        let value: Value = serde_json::from_slice(&manifest.bytes).ok()?;
        let artifact_type = value.get("artifactType").unwrap_or(&value["config"]["mediaType"]);
        let fits = wanted.as_deref().is_none_or(|wanted| artifact_type == wanted);
        (value["subject"]["digest"] == subject && fits).then(|| {
            let mut descriptor = json!({"mediaType": manifest.media_type, "digest": digest,
                "size": manifest.bytes.len(), "artifactType": artifact_type});
            if let Some(annotations) = value.get("annotations") {
                descriptor["annotations"] = annotations.clone();
            }
            descriptor
        })
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": referring.collect::<Vec<_>>()});
    let response = Response::new(200).with("Content-Type", INDEX).containing(index.to_string().into_bytes());
    if wanted.is_some() { response.with("OCI-Filters-Applied", "artifactType") } else { response }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
