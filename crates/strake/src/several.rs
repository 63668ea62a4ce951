//! Images that go together, each for another platform.

use strake_image::draft::LayerDraft;
use strake_image::image::Image;
use strake_image::manifest::{IndexError, IndexPlan, Manifest, Platform};
use strake_image::media_type::Format;

/// What makes one thing of several images.
pub(crate) enum Several {
    /// An index that is made for them.
    New,
    /// An index that somebody has made.
    Given {
        frame: IndexPlan,
        /// What it leads to besides images.
        attachments: Vec<LayerDraft>,
        platforms: Vec<Platform>,
    },
}

/// What lists images: what stands between them and the top, and the top, which is the only image's manifest or an index.
pub(crate) fn listed(
    several: Option<&Several>,
    images: &[Image],
    manifests: &[Manifest],
    format: Option<Format>,
) -> Result<(Vec<Manifest>, Manifest), IndexError> {
    Ok(match several {
        None => (Vec::new(), manifests[0].clone()),
        Some(Several::New) => {
            let listed: Vec<_> = images.iter().zip(manifests).collect();
            (Vec::new(), Manifest::index(&listed, format.unwrap_or_default())?)
        }
        Some(Several::Given { frame, .. }) => frame.around(manifests, format),
    })
}
