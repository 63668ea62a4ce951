//! Images that are delivered together.

use crate::document::Document;
use crate::draft::{Draft, LayerDraft};
use crate::image::Image;
use crate::manifest::{IndexError, IndexPlan, index_of};
use crate::media_type::Format;
use crate::platform::Platform;

/// An image, or several that go together.
#[derive(Debug)]
pub struct Batch {
    /// The images.
    pub images: Vec<Draft>,
    /// The index that lists them, if one does.
    pub index: Option<BatchIndex>,
}

/// The index that lists several images.
#[derive(Debug)]
pub enum BatchIndex {
    /// It is made for them.
    New,
    /// The images come with it.
    Given {
        /// The index, and all that it lists besides images.
        plan: Box<IndexPlan>,
        /// The blobs of what it lists besides images.
        attachments: Vec<LayerDraft>,
        /// The images' platforms, as the index names them.
        platforms: Vec<Platform>,
    },
}

impl From<Draft> for Batch {
    /// One image alone.
    fn from(draft: Draft) -> Self {
        Self { images: vec![draft], index: None }
    }
}

impl BatchIndex {
    /// The index, and the blobs that are attached to it.
    pub(super) fn split(self) -> (Option<Self>, Vec<LayerDraft>) {
        match self {
            Self::New => (Some(Self::New), Vec::new()),
            Self::Given { plan, attachments, platforms } => {
                (Some(Self::Given { plan, attachments: Vec::new(), platforms }), attachments)
            }
        }
    }

    /// The manifests and indexes between the images and the top, and the top.
    pub(super) fn list(
        &self,
        images: &[Image],
        manifests: &[Document],
        format: Option<Format>,
    ) -> Result<(Vec<Document>, Document), IndexError> {
        match self {
            Self::New => {
                let listed: Vec<_> = images.iter().zip(manifests).collect();
                Ok((Vec::new(), index_of(&listed, format.unwrap_or_default())?))
            }
            Self::Given { plan, .. } => Ok(plan.around(manifests, format)),
        }
    }
}
