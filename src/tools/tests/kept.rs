//! Pictures that a tool leaves for the user and not for the model.

use futures::future::BoxFuture;

use super::*;
use crate::protocol::Artifact;
use crate::tools::{KeptPicture, Tool, ToolContext, ToolError, ToolOutput};

/// Makes slides of two pages.
struct Slides;

impl Tool for Slides {
    fn run<'a>(&'a self, _: ToolContext<'a>, _: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async {
            let kept = [b"first".to_vec(), b"second".to_vec()].map(|bytes| KeptPicture::new("image/png", bytes));
            let pages = kept.iter().map(KeptPicture::name).collect();
            let made = Artifact::at(ArtifactKind::Slides, format!("{MOUNT}/output/a.pptx"));
            let artifacts = vec![made.titled("A deck").with_pages(pages)];
            Ok(ToolOutput { artifacts, kept: kept.into(), ..ToolOutput::text("made a.pptx") })
        })
    }
}

#[tokio::test]
async fn pictures_for_the_user_lie_beside_the_log_and_the_model_sees_none() {
    let mut session = session();
    let name = "mshtools-todo_read";
    let entry = session.toolbox.registry.entries.iter_mut().find(|entry| entry.spec.name == name).expect("entry");
    entry.tool = Arc::new(Slides);
    let made = session.ok("todo_read", json!({})).await;
    assert!(made.images.is_empty() && made.output == "made a.pptx", "{made:?}");
    let pages = &made.artifacts[0].pages;
    assert_eq!(pages.len(), 2);
    for (page, bytes) in pages.iter().zip(["first", "second"]) {
        let hash = page.strip_prefix("picture:").expect("a name");
        let kept = session.work.with_file_name("spill").join(hash);
        assert_eq!(std::fs::read_to_string(kept).expect("picture"), bytes);
    }
}
