//! read_file, edit_file and write_file on what people really have: documents, pictures, encodings, files of gigabytes,
//! and files that were made to harm their reader.

use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use flate2::{Compress, Compression, FlushCompress};
use okcvm::config::schema::{SandboxBackend, SandboxSection};
use okcvm::protocol::ToolStatus;
use okcvm::sandbox::Chooser;
use okcvm::tools::Finished;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::machine::{self, Machine, processes_with, soon};

struct Files {
    machine: Machine,
    _folder: tempfile::TempDir,
}

fn files() -> Files {
    files_with(Path::new(env!("CARGO_BIN_EXE_okcvm")))
}

fn files_with(helper: &Path) -> Files {
    let folder = machine::folder();
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let sandbox = Chooser::new(&section, folder.path()).program(helper).choose().expect("no sandbox");
    Files { machine: Machine::create(&folder.path().join("sessions"), 1, &sandbox), _folder: folder }
}

impl Files {
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.machine.work().join(name), content).expect("file");
    }

    fn content(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.machine.work().join(name)).expect("content")
    }

    async fn call(&self, tool: &str, arguments: Value) -> Finished {
        self.machine.call(tool, arguments).await
    }

    async fn ok(&self, tool: &str, arguments: Value) -> Finished {
        let finished = self.call(tool, arguments).await;
        assert_eq!(finished.status, ToolStatus::Ok, "{}", finished.output);
        finished
    }

    async fn fails(&self, tool: &str, arguments: Value) -> String {
        let finished = self.call(tool, arguments).await;
        assert_eq!(finished.status, ToolStatus::Error, "{}", finished.output);
        finished.output
    }

    async fn read(&self, name: &str) -> String {
        self.ok("read_file", json!({ "file_path": name })).await.output
    }
}

/// The most memory that this process has had.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("number") << 10
}

/// A deflated stream of zeros: a bomb of `mebibytes`, made by repeating one block.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let zeros = vec![0; 16 << 20];
    let mut block = Vec::with_capacity(1 << 20);
    compress.compress_vec(&zeros, &mut block, FlushCompress::Full).expect("compressed");
    // A second one is the same as all that follow: it refers to nothing before it.
    let mut out = block.repeat(mebibytes / 16);
    out.extend_from_slice(&[0x03, 0x00]);
    out
}

/// A zip container of deflated files, and how large its heads say that each is when it is unpacked.
fn container(files: &[(&str, Vec<u8>, u32)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, deflated, size) in files {
        let offset = out.len() as u32;
        let mut head = Vec::new();
        // Version, flags, method, time, date, checksum, both sizes, length of the name, no extra field.
        for word in [20_u16, 0, 8, 0, 0x21] {
            head.extend_from_slice(&word.to_le_bytes());
        }
        for long in [0_u32, deflated.len() as u32, *size] {
            head.extend_from_slice(&long.to_le_bytes());
        }
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&head);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(deflated);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&head);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let count = (files.len() as u16).to_le_bytes();
    let (at, size) = (out.len() as u32, directory.len() as u32);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&[count, count].concat());
    out.extend_from_slice(&[size.to_le_bytes(), at.to_le_bytes()].concat());
    out.extend_from_slice(&[0, 0]);
    out
}

fn deflated(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("deflated");
    encoder.finish().expect("deflated")
}

fn docx(document: Vec<u8>, size: u32) -> Vec<u8> {
    let types = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let relations = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    container(&[
        ("[Content_Types].xml", deflated(types), types.len() as u32),
        ("_rels/.rels", deflated(relations), relations.len() as u32),
        ("word/document.xml", document, size),
    ])
}

// ---- documents ----

#[tokio::test]
async fn a_table_is_markdown_with_the_same_window_and_is_paged_from_memory() {
    let files = files();
    let rows: String = (1..=300).map(|n| format!("{n},name {n}\n")).collect();
    files.put("table.csv", format!("id,name\n{rows}"));
    let read = files.read("table.csv").await;
    assert!(read.starts_with("[CSV table") && read.lines().next().expect("line").ends_with("converted to Markdown]"));
    assert!(read.contains("| 17 | name 17 |") && read.contains("continue with offset 101"), "{read}");
    assert!(read.contains("mshtools-edit_file"), "{read}");
    let page = json!({"file_path": "table.csv", "offset": 250, "limit": 2});
    let read = files.ok("read_file", page).await.output;
    assert!(read.contains("   250\t| ") && read.contains("   251\t| ") && !read.contains("   252\t"), "{read}");
}

#[tokio::test]
async fn what_the_session_wrote_itself_is_shown_as_the_text_that_it_is() {
    let files = files();
    let page = "<!doctype html>\n<h1>Title</h1>\n<p>Text</p>\n";
    let notebook = r#"{"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["Words"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"#;
    files.put("notes.ipynb", notebook);
    let read = files.read("notes.ipynb").await;
    assert!(read.starts_with("[Jupyter notebook") && read.contains("Words") && !read.contains("cell_type"), "{read}");
    // It was read, so its text can be changed; from then on it is the session's own.
    let edit = json!({"file_path": "notes.ipynb", "old_string": "\"Words\"", "new_string": "\"Others\""});
    files.ok("edit_file", edit).await;
    assert!(files.read("notes.ipynb").await.contains("     1\t{\"cells\""));

    files.ok("write_file", json!({"file_path": "page.html", "content": page})).await;
    assert_eq!(files.read("page.html").await, "     1\t<!doctype html>\n     2\t<h1>Title</h1>\n     3\t<p>Text</p>");
    // That belongs to the session, and survives the process.
    let state = files.machine.toolbox.state();
    files.machine.toolbox.restore_state(&state);
    assert!(files.read("page.html").await.contains("<h1>"));
}

#[tokio::test]
async fn a_table_that_is_no_longer_one_is_shown_as_text_where_it_cannot_be_converted() {
    let folder = machine::folder();
    let helper = folder.path().join("dies");
    std::fs::write(&helper, "#!/bin/sh\nkill -9 $$\n").expect("script");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let files = files_with(&helper);
    files.put("table.csv", "a,b\n1,2\n");
    let read = files.read("table.csv").await;
    assert!(read.starts_with("     1\ta,b\n     2\t1,2\n[shown as text: ") && read.contains("killed"), "{read}");
    files.put("report.pdf", "%PDF-1.7\n%\u{e2}\u{e3}\0\0");
    let message = files.fails("read_file", json!({"file_path": "report.pdf"})).await;
    assert!(message.contains("could not be converted: its reader crashed (killed"), "{message}");
}

#[tokio::test]
async fn a_reader_that_hangs_ends_with_the_call() {
    let folder = machine::folder();
    let (helper, mark) = (folder.path().join("hangs"), format!("78{}", std::process::id()));
    std::fs::write(&helper, format!("#!/bin/sh\nexec sleep {mark}\n")).expect("script");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let files = files_with(&helper);
    files.put("table.csv", "a,b\n1,2\n");
    let cancel = CancellationToken::new();
    let (stop, sleeping) = (cancel.clone(), mark.clone());
    let stopper = tokio::task::spawn_blocking(move || {
        assert!(soon(|| !processes_with(&sleeping).is_empty()), "it never ran");
        stop.cancel();
        Instant::now()
    });
    let read = files.machine.call_until("read_file", json!({"file_path": "table.csv"}), cancel).await;
    assert_eq!(read.status, ToolStatus::Cancelled, "{}", read.output);
    assert!(stopper.await.expect("stopped").elapsed() < Duration::from_secs(5));
    assert!(soon(|| processes_with(&mark).is_empty()), "it still runs");
}

#[tokio::test]
async fn documents_that_were_made_to_harm_are_errors_of_one_call() {
    let files = files();
    let before = peak();
    // Ten gigabytes of zeros where the text should be.
    for (size, expected) in [(u32::MAX - 1, "unpacks to more than"), (1_000, "damaged")] {
        files.put("bomb.docx", docx(bomb(10 << 10), size));
        let begin = Instant::now();
        let message = files.fails("read_file", json!({"file_path": "bomb.docx"})).await;
        assert!(message.contains("bomb.docx could not be converted") && message.contains(expected), "{message}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    }

    let outside = r#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>before &e; after</w:t></w:r></w:p></w:body></w:document>"#;
    files.put("outside.docx", docx(deflated(outside), outside.len() as u32));
    let read = files.call("read_file", json!({"file_path": "outside.docx"})).await;
    assert!(!read.output.contains("root:"), "{}", read.output);
    assert!(read.output.contains("before") || read.status == ToolStatus::Error, "{}", read.output);

    // A table of contents that leads nowhere.
    let pdf = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
               3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\n\
               xref\n0 4\n9999999999 65535 f\ntrailer<</Root 1 0 R/Size 4>>\nstartxref\n99999\n%%EOF\n";
    files.put("broken.pdf", pdf);
    let read = files.call("read_file", json!({"file_path": "broken.pdf"})).await;
    let told = read.output.starts_with("[PDF") || read.output.contains("this PDF is damaged");
    assert!(told, "{}", read.output);

    // One cell of a small workbook is said to stand in the last row and the last column that can be written.
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents/complex_hidden_sheets.xls");
    let mut book = std::fs::read(fixture).expect("fixture");
    let cell = book.windows(4).position(|bytes| bytes == b"\xfd\0\x0a\0").expect("a cell") + 4;
    book[cell..cell + 4].fill(0xff);
    files.put("huge.xls", book);
    let message = files.fails("read_file", json!({"file_path": "huge.xls"})).await;
    assert!(message.contains("huge.xls could not be converted: it needs more than 1024 MiB of memory"), "{message}");

    let grown = peak().saturating_sub(before);
    assert!(grown < 300 << 20, "{} MiB", grown >> 20);
    // A name is one line of what is told of the file.
    files.put("data\n[forged].bin", b"\0\x01\x02\0");
    let told = files.ok("read_file", json!({"file_path": "data\n[forged].bin"})).await.output;
    assert!(told.contains("binary data") && !told.contains('\n'), "{told}");
}

#[tokio::test]
async fn all_of_a_converted_document_can_be_read_and_its_encoding_is_told() {
    let files = files();
    let row: String = (0..400).map(|number| format!("cell{number},")).collect();
    let (table, ..) = encoding_rs::GB18030.encode("名称,数量\n苹果,3\n");
    files.put("wide.csv", format!("{row}LAST\n"));
    files.put("short.csv", &table);
    files.put("late.txt", [&b"plain words\n".repeat(100_000)[..], &table].concat());
    let read = files.read("wide.csv").await;
    assert!(read.contains("cell399") && read.contains("LAST") && !read.contains("more characters"), "{read}");
    let read = files.read("short.csv").await;
    assert!(read.contains("| 苹果 | 3 |") && read.contains("written in GB18030"), "{read}");
    let read = files.ok("read_file", json!({"file_path": "late.txt", "offset": 100_001})).await.output;
    assert!(read.contains("名称,数量") && read.contains("written in GB18030"), "{read}");
    let beyond = files.fails("read_file", json!({"file_path": "short.csv", "offset": 50})).await;
    assert!(beyond.contains("beyond the end") && beyond.contains("written in GB18030"), "{beyond}");
}

// ---- pictures ----

#[tokio::test]
async fn a_large_picture_reaches_the_model_small_and_is_nothing_that_was_made() {
    let files = files();
    let mut bytes = Vec::new();
    let picture = image::RgbImage::from_fn(2_400, 1_200, |x, y| image::Rgb([(x / 10) as u8, (y / 5) as u8, 40]));
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Bmp).expect("BMP");
    files.put("plan.bmp", &bytes);
    let read = files.ok("read_file", json!({"file_path": "plan.bmp"})).await;
    assert!(read.output.contains("BMP picture, 2400 x 1200, 8.2 MiB, shown at 1568 x 784"), "{}", read.output);
    let sent = base64::engine::general_purpose::STANDARD.decode(&read.images[0].base64).expect("base64");
    assert!(sent.len() <= 1_500_000 && read.images[0].media_type == "image/png");
    assert_eq!(image::load_from_memory(&sent).expect("a picture").width(), 1_568);
    // It is shown with the call, and nobody is told of a file that was made.
    assert!(read.artifacts.is_empty(), "{:?}", read.artifacts);
    assert!(
        read.images[0].path.as_deref().is_some_and(|path| path.ends_with("/plan.bmp")),
        "{:?}",
        read.images[0].path
    );
    let mut moving = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut moving);
    encoder.encode_frames((0..4).map(|_| image::Frame::new(image::RgbaImage::new(20, 10)))).expect("GIF");
    drop(encoder);
    files.put("moving.gif", &moving);
    let told = files.ok("read_file", json!({"file_path": "moving.gif"})).await.output;
    assert!(told.contains("GIF picture, 20 x 10, ") && told.contains(", first of 4 frames"), "{told}");
    // A small one that is sound comes as it is, whatever its name says; a damaged one never comes, whatever its frame says.
    let (mut plot, mut photo) = (Vec::new(), Vec::new());
    let pixels = image::RgbImage::new(40, 30);
    pixels.write_to(&mut std::io::Cursor::new(&mut plot), image::ImageFormat::Png).expect("PNG");
    pixels.write_to(&mut std::io::Cursor::new(&mut photo), image::ImageFormat::Jpeg).expect("JPEG");
    files.put("plot.txt", &plot);
    let read = files.ok("read_file", json!({"file_path": "plot.txt"})).await;
    assert!(read.output.contains("plot.txt: PNG picture, 40 x 30, "), "{}", read.output);
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(&read.images[0].base64).expect("base64"), plot);
    files.put("cut.png", [&plot[..plot.len() - 20], &plot[plot.len() - 12..]].concat());
    assert!(files.fails("read_file", json!({"file_path": "cut.png"})).await.contains("damaged"));
    let cut = [&photo[..photo.len() - 30], b"\xff\xd9"].concat();
    files.put("cut.jpg", &cut);
    let read = files.call("read_file", json!({"file_path": "cut.jpg"})).await;
    for image in &read.images {
        let sent = base64::engine::general_purpose::STANDARD.decode(&image.base64).expect("base64");
        assert_ne!(sent, cut, "what is damaged goes made anew or not at all");
    }
    // A picture that is written in characters is a text.
    files.put("drawing.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    assert!(files.read("drawing.svg").await.starts_with("     1\t<svg"));
}

#[tokio::test]
async fn a_picture_of_thirty_thousand_squared_is_refused_in_little_memory() {
    let files = files();
    let before = peak();
    let chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        [&(data.len() as u32).to_be_bytes(), &*body, &crc32fast::hash(&body).to_be_bytes()].concat()
    };
    let side = 30_000_u32.to_be_bytes();
    let head = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    let pixels = [b"\x78\x9c", &*bomb(2_704)].concat();
    let png =
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &head), chunk(b"IDAT", &pixels), chunk(b"IEND", b"")].concat();
    assert!(png.len() < 8 << 20);
    files.put("huge.png", png);
    let begin = Instant::now();
    let message = files.fails("read_file", json!({"file_path": "huge.png"})).await;
    assert!(message.contains("could not be shown") && message.contains("too"), "{message}");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(peak().saturating_sub(before) < 200 << 20);
    files.put("broken.png", b"\x89PNG\r\n\x1a\n and nothing more");
    let message = files.fails("read_file", json!({"file_path": "broken.png"})).await;
    assert!(message.contains("it is damaged"), "{message}");
}

// ---- encodings ----

#[tokio::test]
async fn a_file_keeps_its_encoding_its_mark_and_its_line_ends() {
    let files = files();
    let text = "第一行：今天的天气很好，我们去公园散步。\r\n第二行：数据分析报告。\r\n";
    let (gb18030, ..) = encoding_rs::GB18030.encode(text);
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    type Encode = fn(&str) -> Vec<u8>;
    let all: [(&str, &[u8], &str, Encode); 3] = [
        ("gb.txt", &gb18030, "GB18030", |text| encoding_rs::GB18030.encode(text).0.into_owned()),
        ("wide.txt", &wide, "UTF-16 BE with a byte order mark", |text| {
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect()
        }),
        ("marked.txt", &marked, "UTF-8 with a byte order mark", |text| [b"\xef\xbb\xbf", text.as_bytes()].concat()),
    ];
    for (name, bytes, told, encode) in all {
        files.put(name, bytes);
        let read = files.read(name).await;
        assert!(read.starts_with("     1\t第一行：今天的天气很好，我们去公园散步。\n     2\t第二行"), "{read}");
        assert!(read.contains("CRLF") && read.contains(told), "{read}");
        let edit = json!({"file_path": name, "old_string": "散步。\n第二行", "new_string": "散步！\n中间\n第二行"});
        let edited = files.ok("edit_file", edit).await;
        assert!(edited.diff.expect("diff").contains("+中间"));
        let expected = "第一行：今天的天气很好，我们去公园散步！\r\n中间\r\n第二行：数据分析报告。\r\n";
        assert_eq!(files.content(name), encode(expected), "{name}");
        let more = files.ok("write_file", json!({"file_path": name, "content": "最后\n", "append": true})).await;
        assert_eq!(files.content(name), encode(&format!("{expected}最后\r\n")), "{name}");
        assert!(more.output.contains(told) && more.diff.expect("diff").contains("+最后"), "{}", more.output);
        let replaced = files.ok("write_file", json!({"file_path": name, "content": "新\n"})).await;
        assert_eq!(files.content(name), encode("新\r\n"), "{name}");
        let diff = replaced.diff.expect("diff");
        assert!(diff.contains("+新") && diff.contains("-中间"), "{diff}");
    }
}

#[tokio::test]
async fn a_character_that_the_encoding_lacks_is_an_error_and_nothing_is_lost() {
    let files = files();
    let bytes = b"caf\xe9 cr\xe8me\nna\xefve\n";
    files.put("old.txt", bytes);
    assert!(files.read("old.txt").await.contains("windows-1252"));
    for (tool, arguments) in [
        ("edit_file", json!({"file_path": "old.txt", "old_string": "café", "new_string": "世界"})),
        ("write_file", json!({"file_path": "old.txt", "content": "世界"})),
        ("write_file", json!({"file_path": "old.txt", "content": "世界", "append": true})),
    ] {
        let message = files.fails(tool, arguments).await;
        assert!(message.contains("'世'") && message.contains("nothing was changed"), "{message}");
        assert_eq!(files.content("old.txt"), bytes);
    }
    files.ok("edit_file", json!({"file_path": "old.txt", "old_string": "café", "new_string": "thé"})).await;
    assert_eq!(files.content("old.txt"), b"th\xe9 cr\xe8me\nna\xefve\n");
}

// ---- files of gigabytes ----

/// A text whose first lines are there and whose rest is a hole, with a last line behind it.
fn sparse(files: &Files, name: &str, bytes: u64) {
    let file = std::fs::File::create(files.machine.work().join(name)).expect("file");
    let lines: String = (1..=100_000).map(|n| format!("line number {n}\n")).collect();
    file.write_all_at(lines.as_bytes(), 0).expect("lines");
    file.set_len(bytes).expect("length");
    file.write_all_at(b"\nthe last line\n", bytes - 15).expect("end");
}

#[tokio::test]
async fn a_file_of_gigabytes_is_read_by_window_in_little_memory() {
    let files = files();
    sparse(&files, "big.log", 2 << 30);
    let before = peak();
    let read = files.read("big.log").await;
    assert!(read.starts_with("     1\tline number 1\n"), "{read}");
    assert!(
        read.ends_with(
            "[lines 1 to 100 of a file of 2.0 GiB, which was not read to its end; continue with offset 101]"
        )
    );
    let read = files.ok("read_file", json!({"file_path": "big.log", "offset": 100_002})).await.output;
    assert!(read.starts_with("100002\tthe last line"), "{read}");
    let message = files.fails("read_file", json!({"file_path": "big.log", "offset": 1_000_000})).await;
    assert!(message.contains("beyond the end") && message.contains("100002 lines"), "{message}");
    assert!(peak().saturating_sub(before) < 64 << 20, "{} MiB", (peak() - before) >> 20);

    // It was read: it may be replaced, but not when others have changed it since, be it in the middle.
    let edit = json!({"file_path": "big.log", "old_string": "line number 1\n", "new_string": ""});
    assert!(files.fails("edit_file", edit).await.contains("2.0 GiB"));
    let file = std::fs::OpenOptions::new().write(true).open(files.machine.work().join("big.log")).expect("open");
    file.write_all_at(b"x", 777_777_777).expect("changed");
    let message = files.fails("write_file", json!({"file_path": "big.log", "content": "new\n"})).await;
    assert!(message.contains("has changed since it was read"), "{message}");
    files.read("big.log").await;
    files.ok("write_file", json!({"file_path": "big.log", "content": "new\n"})).await;
    assert_eq!(files.content("big.log"), b"new\n");
}

#[tokio::test]
async fn reading_stops_when_it_is_cancelled() {
    let files = files();
    sparse(&files, "huge.log", 200 << 30);
    let cancel = CancellationToken::new();
    let call = json!({"file_path": "huge.log", "offset": 1_000_000});
    let reading = files.machine.call_until("read_file", call, cancel.clone());
    let stopping = async {
        // Whenever that is: nobody reads so much in that time.
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
        Instant::now()
    };
    let (read, since) = tokio::join!(reading, stopping);
    assert_eq!(read.status, ToolStatus::Cancelled, "{}", read.output);
    assert!(since.elapsed() < Duration::from_secs(5));
}
