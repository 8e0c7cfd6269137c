//! Files in and out by keys: `/attach`, `@`, dropped files, `/save` and `/apply`, through the real loop.

use std::path::{Path, PathBuf};

use okcvm::protocol::{
    Attachment, Event, Op, PathChange, PathConflict, Phase, ProjectApplied, ProjectPatch, SessionId, TurnOutcome,
};
use okcvm::tui::input::Input;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::keys::Bench;

const MOUNT: &str = "/mnt/okcvm-0000000000000007/";

/// A folder with files, and a screen whose session has another one as its workspace.
async fn bench() -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    for (path, text) in [
        ("host/cv.pdf", "12345"),
        ("host/my notes.txt", "notes"),
        ("host/data/a.csv", "a"),
        ("host/data/b.csv", "bb"),
        ("work/site/index.html", "<p>"),
        ("work/report.md", "# Report"),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        std::fs::write(path, text).expect("file");
    }
    let mut bench = Bench::start().await;
    bench.tell(Event::SessionStarted {
        session: SessionId::from_random(7),
        mount: MOUNT.to_owned(),
        host_path: folder.path().join("work"),
        sandbox: "bubblewrap".to_owned(),
        network: "off".to_owned(),
        model: "kimi-k2".to_owned(),
        title: "Files".to_owned(),
    });
    bench.wait_for("Files").await;
    (bench, folder)
}

fn host(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().canonicalize().expect("folder").join("host").join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

async fn submitted(bench: &mut Bench) -> (String, Vec<PathBuf>) {
    match bench.op().await {
        Op::Submit { text, attachments } => (text, attachments),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn attached_files_are_listed_taken_off_and_sent_with_the_message() {
    let (mut bench, folder) = bench().await;
    let (cv, data) = (host(&folder, "cv.pdf"), host(&folder, "data"));
    bench.write(&format!("/attach {} '{}'", text(&cv), text(&host(&folder, "my notes.txt"))));
    bench.press(KeyCode::Enter);
    bench.wait_for("+ my notes.txt  5 B").await;
    bench.write(&format!("/attach {}", text(&data)));
    bench.press(KeyCode::Enter);
    let shown = bench.wait_for("+ data/  2 files, 3 B").await;
    assert!(shown.contains("+ cv.pdf  5 B"), "{shown}");
    assert!(shown.contains("takes it off"), "{shown}");
    bench.chord(KeyCode::Char('a'), KeyModifiers::ALT);
    bench.wait_for("data/ does not go along any more").await;
    bench.write("Look at them");
    bench.press(KeyCode::Enter);
    let sent = submitted(&mut bench).await;
    assert_eq!(sent, ("Look at them".to_owned(), vec![cv, host(&folder, "my notes.txt")]));
    // In the chat with their names at once, and with their places when the engine has them.
    let turn = bench.begin_turn();
    let path = format!("{MOUNT}uploads/cv.pdf");
    bench.tell(Event::Attached { files: vec![Attachment { name: "cv.pdf".into(), path: path.clone(), bytes: 5 }] });
    bench.wait_for(&format!("+ cv.pdf  5 B  {path}")).await;
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.write("next");
    bench.press(KeyCode::Enter);
    assert_eq!(submitted(&mut bench).await, ("next".to_owned(), vec![]));
}

#[tokio::test]
async fn what_cannot_be_attached_is_told_at_once_and_nothing_is_lost() {
    let (mut bench, folder) = bench().await;
    let cv = host(&folder, "cv.pdf");
    bench.write(&format!("/attach {} {}", text(&cv), text(&host(&folder, "missing.txt"))));
    bench.press(KeyCode::Enter);
    bench.wait_for("cannot attach").await;
    bench.wait_for("+ cv.pdf").await;
    // A message that the engine refuses comes back with its files.
    bench.write("with a file");
    bench.press(KeyCode::Enter);
    assert_eq!(submitted(&mut bench).await.1, std::slice::from_ref(&cv));
    bench.wait_until("the files to go", |screen| !screen.contains("takes it off")).await;
    bench.tell(Event::Error { message: "the message was not sent: too many files".into(), hint: None });
    bench.tell(Event::PhaseChanged(Phase::Idle));
    bench.wait_for("> with a file").await;
    bench.wait_for("takes it off").await;
    // A message that waits for the end of a turn keeps them, too.
    bench.press(KeyCode::Enter);
    assert_eq!(submitted(&mut bench).await.1, std::slice::from_ref(&cv));
    let turn = bench.begin_turn();
    bench.write(&format!("/attach {}", text(&cv)));
    bench.press(KeyCode::Enter);
    bench.wait_for("takes it off").await;
    bench.write("later");
    bench.press(KeyCode::Enter);
    bench.wait_for("waits for the end of the turn (+1): later").await;
    bench.end_turn(turn, TurnOutcome::Completed);
    assert_eq!(submitted(&mut bench).await, ("later".to_owned(), vec![cv]));
}

#[tokio::test]
async fn in_a_command_a_name_becomes_a_path() {
    let (mut bench, folder) = bench().await;
    bench.write(&format!("/attach @{}my", text(&host(&folder, ""))));
    bench.wait_for("my notes.txt").await;
    bench.press(KeyCode::Tab);
    bench.press(KeyCode::Enter);
    bench.wait_for("+ my notes.txt  5 B").await;
}

#[tokio::test]
async fn names_are_completed_after_an_at_sign() {
    let (mut bench, folder) = bench().await;
    bench.write("see @sindex");
    bench.wait_for("site/index.html").await;
    bench.press(KeyCode::Tab);
    bench.wait_for(&format!("> see {MOUNT}site/index.html")).await;
    // A path at the beginning of a message makes no command of it.
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.write("@sindex");
    bench.wait_until("the popup", |screen| screen.contains("> @sindex") && screen.contains("site/index.html")).await;
    bench.press(KeyCode::Tab);
    bench.wait_for(&format!("> {MOUNT}site/index.html")).await;
    // A file of this machine goes along, and its name stands in the text.
    bench.write(&format!("and @{}/m", text(&host(&folder, ""))).replace("//m", "/m"));
    bench.wait_for("my notes.txt").await;
    bench.press(KeyCode::Enter);
    bench.wait_for("+ my notes.txt  5 B").await;
    bench.write("please");
    bench.press(KeyCode::Enter);
    let (message, files) = submitted(&mut bench).await;
    assert_eq!(message, format!("{MOUNT}site/index.html and my notes.txt please"));
    assert_eq!(files, [host(&folder, "my notes.txt")]);
}

#[tokio::test]
async fn the_popup_closes_and_an_address_opens_none() {
    let (mut bench, folder) = bench().await;
    bench.write("mail me@report");
    bench.wait_for("> mail me@report").await;
    bench.write(" @rep");
    bench.wait_for("report.md").await;
    bench.press(KeyCode::Esc);
    bench.wait_until("no popup", |screen| !screen.contains("report.md")).await;
    // Enter sends again; what was typed stays.
    bench.press(KeyCode::Enter);
    assert_eq!(submitted(&mut bench).await.0, "mail me@report @rep");
    // Tab goes into a folder of this machine.
    let base = host(&folder, "");
    bench.write(&format!("@{}da", text(&base)));
    bench.wait_for("data/").await;
    bench.press(KeyCode::Tab);
    bench
        .wait_until("what is in the folder", |screen| screen.contains(" b.csv") && !screen.contains("data/b.csv"))
        .await;
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Enter);
    bench.wait_for("+ b.csv  2 B").await;
}

#[tokio::test]
async fn a_name_that_is_typed_out_goes_along_and_other_words_stay() {
    let (mut bench, folder) = bench().await;
    let cv = host(&folder, "cv.pdf");
    bench.write(&format!("read @{}, not @/nonexistent/x", text(&cv)));
    bench.press(KeyCode::Enter);
    let sent = submitted(&mut bench).await;
    assert_eq!(sent, ("read cv.pdf, not @/nonexistent/x".to_owned(), vec![cv]));
}

#[tokio::test]
async fn tab_stays_in_the_composer_while_a_name_is_typed() {
    let (mut bench, folder) = bench().await;
    bench.write("see @rep");
    bench.wait_for("report.md").await;
    bench.write("zz");
    bench.wait_until("no name", |screen| screen.contains("> see @repzz") && !screen.contains("report.md")).await;
    bench.press(KeyCode::Tab);
    bench.wait_for("@./ is this machine's folder").await;
    bench.write("y");
    bench.wait_for("> see @repzzy").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.write(&format!("/attach {}", text(&host(&folder, "cv"))));
    bench.press(KeyCode::Tab);
    bench.wait_for("cv.pdf").await;
    bench.press(KeyCode::Tab);
    bench.press(KeyCode::Enter);
    bench.wait_for("+ cv.pdf  5 B").await;
}

#[tokio::test]
async fn dropped_files_become_attachments_and_text_again_on_request() {
    let (mut bench, folder) = bench().await;
    let (cv, notes) = (host(&folder, "cv.pdf"), host(&folder, "my notes.txt"));
    let quoted = format!("'{}' {} ", text(&notes), text(&cv));
    bench.write("Read ");
    bench.keys.send(Input::Paste(quoted.clone())).expect("listens");
    bench.wait_for("+ cv.pdf  5 B").await;
    let shown = bench.wait_for("Ctrl+_ makes it text again").await;
    assert!(!shown.contains("/host/cv.pdf"), "{shown}");
    bench.chord(KeyCode::Char('_'), KeyModifiers::CONTROL);
    bench.wait_until("the text", |screen| screen.contains("/host/") && !screen.contains("+ cv.pdf")).await;
    bench.press(KeyCode::Enter);
    assert_eq!(submitted(&mut bench).await, (format!("Read {}", quoted.trim_end()), vec![]));

    // An address of a file is one as well; a path that is not there, and one within a command, are text.
    bench.keys.send(Input::Paste(format!("file://{}", text(&notes).replace(' ', "%20")))).expect("listens");
    bench.wait_for("+ my notes.txt").await;
    bench.chord(KeyCode::Char('a'), KeyModifiers::ALT);
    bench.keys.send(Input::Paste("/nonexistent/file".into())).expect("listens");
    bench.wait_for("> /nonexistent/file").await;
    bench.chord(KeyCode::Char('c'), KeyModifiers::CONTROL);
    bench.write("/attach ");
    bench.keys.send(Input::Paste(text(&cv).to_owned())).expect("listens");
    bench.press(KeyCode::Enter);
    bench.wait_for("+ cv.pdf  5 B").await;
}

#[tokio::test]
async fn saving_over_something_needs_enter_once_more() {
    let (mut bench, folder) = bench().await;
    let dest = folder.path().join("out.md");
    bench.write(&format!("/save report.md {}", text(&dest)));
    bench.press(KeyCode::Enter);
    let save = |path: &str, replace| Op::Save { path: path.to_owned(), dest: dest.clone(), replace };
    assert_eq!(bench.op().await, save("report.md", false));
    let there = dest.join("report.md");
    bench.tell(Event::SaveRefused { path: "report.md".into(), dest: dest.clone(), there });
    bench.wait_for("--force").await;
    bench.wait_for("out.md/report.md is there already").await;
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, save("report.md", true));
    bench.tell(Event::Saved { place: dest.clone(), what: "1 file, 8 B".into(), left_out: vec!["x: is a link".into()] });
    bench.wait_for("1 file, 8 B").await;
    bench.wait_for("left out: x: is a link").await;
    bench.write("/save report.md");
    bench.press(KeyCode::Enter);
    bench.wait_for("/save takes two words").await;
}

#[tokio::test]
async fn a_patch_is_looked_at_before_it_is_written() {
    let (mut bench, _folder) = bench().await;
    let b_txt = || PathConflict {
        path: "b.txt".into(),
        why: "changed on both sides".into(),
        outcome: "the file has both versions".into(),
    };
    let patch = |conflict: bool, markers| ProjectPatch {
        dir: "/home/ada/proj".into(),
        write: vec![PathChange { path: "a.txt".into(), what: "+1 -1".into() }],
        remove: vec![],
        conflicts: if conflict { vec![b_txt()] } else { vec![] },
        left_out: vec!["output/x: it is no part of the project".into()],
        patch: "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-old words\n+new words\n".into(),
        notes: vec![],
        since: None,
        since_copy: false,
        markers,
        digest: "d1".into(),
    };
    bench.write("/apply");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::PatchProject { markers: false, since_copy: false });
    bench.tell(Event::ProjectPatched(patch(true, false)));
    let shown = bench.wait_for("conflict: b.txt: changed on both sides").await;
    assert!(shown.contains("1 to write, 0 to remove, 1 in conflict in /home/ada/proj"), "{shown}");
    assert!(shown.contains("new words") && shown.contains("left out: output/x"), "{shown}");
    bench.press(KeyCode::Enter);
    bench.press(KeyCode::Esc);
    bench.wait_for("nothing was written").await;
    assert!(bench.port.ops.try_recv().is_err());
    bench.write("/apply markers");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::PatchProject { markers: true, since_copy: false });
    bench.tell(Event::ProjectPatched(patch(true, true)));
    bench.wait_for("Enter writes it to the project").await;
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::ApplyProject { digest: "d1".into(), markers: true, since_copy: false });
    let applied = ProjectApplied { dir: "/home/ada/proj".into(), written: 2, removed: 0, conflicts: vec![b_txt()] };
    bench.tell(Event::ProjectApplied(applied));
    bench.wait_for("brought to /home/ada/proj: 2 written, 0 removed").await;
    bench.wait_for("in conflict: b.txt: the file has both versions").await;

    // Whoever goes on typing is not asked by a view that comes up under the fingers.
    bench.write("/apply");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.op().await, Op::PatchProject { markers: false, since_copy: false });
    bench.write("go on");
    bench.tell(Event::ProjectPatched(patch(false, false)));
    bench.wait_for("is ready: /apply shows it").await;
    bench.press(KeyCode::Enter);
    assert!(matches!(bench.op().await, Op::Submit { text, .. } if text == "go on"));
}

#[tokio::test]
async fn the_path_on_this_machine_of_a_named_file_is_copied() {
    let (mut bench, folder) = bench().await;
    let turn = bench.begin_turn();
    bench.tell(Event::TextDelta { text: format!("It is in `{MOUNT}site/index.html`.") });
    bench.wait_for("site/index.html").await;
    bench.end_turn(turn, TurnOutcome::Completed);
    bench.press(KeyCode::F(2));
    bench.press(KeyCode::Char('Y'));
    let path = folder.path().join("work/site/index.html");
    let length = text(&path).chars().count();
    bench.wait_for(&format!("copied the path on this machine, {length} characters")).await;
}

#[tokio::test]
async fn a_name_with_blanks_is_found_whole_and_one_that_is_not_there_is_told() {
    for (reply, seen, is_there) in [
        (format!("The file is {MOUNT}my plot (1).png, have a look."), "have a look.", true),
        (format!("Please take [it](<{MOUNT}my%20plot%20(1).png>)."), "Please take", true),
        (format!("It will be {MOUNT}nowhere.png one day."), "one day.", false),
    ] {
        let (mut bench, folder) = bench().await;
        let path = folder.path().join("work/my plot (1).png");
        std::fs::write(&path, "png").expect("file");
        let length = text(&path).chars().count();
        let turn = bench.begin_turn();
        bench.tell(Event::TextDelta { text: reply });
        bench.wait_for(seen).await;
        bench.end_turn(turn, TurnOutcome::Completed);
        bench.press(KeyCode::F(2));
        bench.press(KeyCode::Char('Y'));
        if is_there {
            bench.wait_for(&format!("this machine, {length} characters")).await;
        } else {
            bench.wait_for("nowhere.png is not there").await;
        }
    }
}

#[tokio::test]
async fn a_small_screen_has_room_for_all_of_it() {
    let (mut bench, folder) = bench().await;
    bench.sink.resize(40, 12);
    bench.size = (40, 12);
    bench.keys.send(Input::Resize).expect("listens");
    bench.write(&format!("/attach {}", text(&host(&folder, "cv.pdf"))));
    bench.press(KeyCode::Enter);
    bench.wait_for("+ cv.pdf  5 B").await;
    bench.write("@re");
    bench.wait_for("report.md").await;
    bench.press(KeyCode::Tab);
    bench.wait_for("report.md").await;
    bench.press(KeyCode::Enter);
    let (message, files) = submitted(&mut bench).await;
    assert_eq!((message, files.len()), (format!("{MOUNT}report.md"), 1));
}
