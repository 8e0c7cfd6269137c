//! What tools ask outside of the sandbox, as the user's configuration has it: the search, and the data sources.

use std::fmt;
use std::sync::Arc;

use crate::config::schema::{DataSection, SearchSection};
use crate::data_source::{self, DataSource};
use crate::search::{self, Provider, SearchError};

/// The search and the data sources of a configuration. Cheap to clone; nothing is connected before the first call.
#[derive(Clone)]
pub struct Online(Arc<Inner>);

struct Inner {
    search: Result<Box<dyn Provider>, SearchError>,
    sources: Vec<Box<dyn DataSource>>,
}

impl Online {
    /// As the configuration has them.
    pub fn new(search: &SearchSection, data: &DataSection) -> Self {
        Self(Arc::new(Inner { search: search::provider(search), sources: data_source::sources(data) }))
    }

    /// Who searches, or why nobody does.
    pub(crate) fn search(&self) -> Result<&dyn Provider, &SearchError> {
        self.0.search.as_ref().map(AsRef::as_ref)
    }

    /// The data sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &dyn DataSource> {
        self.0.sources.iter().map(AsRef::as_ref)
    }
}

impl Default for Online {
    fn default() -> Self {
        Self::new(&SearchSection::default(), &DataSection::default())
    }
}

impl fmt::Debug for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Online").field(&self.search().map(Provider::name)).finish()
    }
}
