//! What tools ask outside of the sandbox, as the user's configuration has it: the search, the data sources, and what
//! makes pictures, speech and sounds.

use std::fmt;
use std::sync::Arc;

use crate::config::schema::{DataSection, Endpoint, MediaSection, SearchSection};
use crate::data_source::{self, DataSource};
use crate::model::{EffectMaker, ModelError, PictureMaker, Speaker};
use crate::search::{self, Provider, SearchError};

/// Whom the tools of a configuration ask. Cheap to clone; nothing is connected before the first call.
#[derive(Clone)]
pub struct Online(Arc<Inner>);

struct Inner {
    search: Result<Box<dyn Provider>, SearchError>,
    sources: Vec<Box<dyn DataSource>>,
    pictures: Result<PictureMaker, String>,
    speech: Result<Speaker, String>,
    effects: Result<EffectMaker, String>,
}

impl Online {
    /// As the configuration has them.
    pub fn new(search: &SearchSection, data: &DataSection, media: &MediaSection) -> Self {
        Self(Arc::new(Inner {
            search: search::provider(search),
            sources: data_source::sources(data),
            pictures: maker(media.image.as_ref(), "media.image", PictureMaker::new),
            speech: maker(media.speech.as_ref(), "media.speech", |endpoint| {
                Speaker::new(endpoint, media.speech_provider)
            }),
            effects: maker(media.sound_effects.as_ref(), "media.sound_effects", EffectMaker::new),
        }))
    }

    /// Who searches, or why nobody does.
    pub(crate) fn search(&self) -> Result<&dyn Provider, &SearchError> {
        self.0.search.as_ref().map(AsRef::as_ref)
    }

    /// Who makes pictures, or why nobody does.
    pub(crate) fn pictures(&self) -> Result<&PictureMaker, &str> {
        self.0.pictures.as_ref().map_err(String::as_str)
    }

    /// Who speaks, or why nobody does.
    pub(crate) fn speech(&self) -> Result<&Speaker, &str> {
        self.0.speech.as_ref().map_err(String::as_str)
    }

    /// Who makes sound effects, or why nobody does.
    pub(crate) fn effects(&self) -> Result<&EffectMaker, &str> {
        self.0.effects.as_ref().map_err(String::as_str)
    }

    /// The data sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &dyn DataSource> {
        self.0.sources.iter().map(AsRef::as_ref)
    }
}

/// The client of an endpoint, or why there is none.
fn maker<T>(
    endpoint: Option<&Endpoint>,
    block: &str,
    make: impl FnOnce(Endpoint) -> Result<T, ModelError>,
) -> Result<T, String> {
    let endpoint =
        endpoint.ok_or_else(|| format!("{block} is not configured; set its model and base_url, or use /setup"))?;
    make(endpoint.clone()).map_err(|error| format!("{block}: {error}"))
}

impl Default for Online {
    fn default() -> Self {
        Self::new(&SearchSection::default(), &DataSection::default(), &MediaSection::default())
    }
}

impl fmt::Debug for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Online").field(&self.search().map(Provider::name)).finish()
    }
}
