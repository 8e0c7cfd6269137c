//! Pictures of cells: plots, Pillow, OpenCV, files that overwrite nothing.

use okcvm::protocol::{ArtifactKind, ToolStatus};

use super::{Machine, has_module, machine};
use crate::support::machine as support;

/// Python that makes a picture of one colour.
const PNG: &str = "import struct, zlib\nfrom IPython.display import Image, SVG, display\n\
                   def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
                   def png(shade): return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2, 1, 8, 0, 0, 0, 0)) \
                   + chunk(b'IDAT', zlib.compress(bytes([0, shade, shade]))) + chunk(b'IEND', b'')\n\
                   def svg(text): return f'<svg xmlns=\"http://www.w3.org/2000/svg\"><text>{text}</text></svg>'\n";

fn output_names(machine: &Machine) -> Vec<String> {
    let entries = std::fs::read_dir(machine.work().join("output")).expect("output");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn plots_are_files_and_pictures_for_the_model_and_overwrite_nothing() {
    if !has_module("matplotlib") {
        return;
    }
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    std::fs::create_dir_all(machine.work().join("output")).expect("folder");
    std::fs::write(machine.work().join("output/plot-1.png"), "mine").expect("file");
    // Left open at the end of the cell.
    let ran = machine.cell("import matplotlib.pyplot as plt\nprint('one')\nplt.plot([1, 2])\nNone").await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    assert_eq!(ran.output, "one\n[picture: output/plot-2.png]\n");
    assert_eq!(ran.images.len(), 1);
    assert_eq!(ran.images[0].media_type, "image/png");
    let path = format!("{}/output/plot-2.png", machine.mount);
    assert_eq!(ran.images[0].path.as_deref(), Some(path.as_str()));
    assert_eq!((ran.artifacts[0].kind, ran.artifacts[0].path.as_deref()), (ArtifactKind::Image, Some(path.as_str())));
    let bytes = std::fs::read(ran.artifacts[0].host_path.as_ref().expect("path")).expect("picture");
    assert!(bytes.starts_with(b"\x89PNG"));
    assert_eq!(std::fs::read(machine.work().join("output/plot-1.png")).expect("file"), b"mine");

    let ran = machine.cell("for i in range(3):\n    plt.plot([i, 2])\n    plt.show()\n    print(i)").await;
    let told = "[picture: output/plot-3.png]\n0\n[picture: output/plot-4.png]\n1\n[picture: output/plot-5.png]\n2\n";
    assert_eq!(ran.output, told);

    // A picture that changes is one picture.
    let code = "from IPython.display import clear_output, display\nfor i in range(4):\n    plt.plot([i, 2])\n    \
                clear_output(wait=True)\n    plt.show()\nprint('end')";
    let ran = machine.cell(code).await;
    assert_eq!(ran.output, "[picture: output/plot-6.png]\nend\n");
    assert_eq!((ran.images.len(), ran.artifacts.len()), (1, 1));
    let code = "fig, ax = plt.subplots()\nh = display(fig, display_id=True)\nfor i in range(3):\n    ax.plot([i, 2])\n    \
                h.update(fig)\nplt.close(fig)";
    let ran = machine.cell(code).await;
    assert_eq!(ran.output, "[picture: output/plot-7.png]\n");
    // Vectors are a file only.
    let ran = machine.cell("from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')").await;
    assert_eq!((ran.output.as_str(), ran.images.len(), ran.artifacts.len()), ("[picture: output/image-1.svg]\n", 0, 1));
    assert_eq!(output_names(&machine).len(), 8);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chinese_text_in_plots_has_its_glyphs() {
    if !has_module("matplotlib") {
        return;
    }
    let fonts = std::process::Command::new("fc-list").arg(":lang=zh").output();
    if !fonts.is_ok_and(|fonts| !fonts.stdout.is_empty()) {
        return crate::support::skip_or_fail("no font for Chinese is installed");
    }
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let code = "import matplotlib.pyplot as plt, warnings\nwarnings.simplefilter('error')\nplt.title('中文标题 한글 かな')\n\
                plt.plot([-1, 2], label='图例')\nplt.legend()\nplt.show()";
    let ran = machine.cell(code).await;
    assert_eq!(ran.output, "[picture: output/plot-1.png]\n", "no warning of a missing glyph");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pillow_and_opencv_show_pictures() {
    if !has_module("PIL") || !has_module("cv2") {
        return;
    }
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let ran = machine.cell("from PIL import Image\nImage.new('RGB', (30, 20), 'red')").await;
    assert_eq!((ran.output.as_str(), ran.images.len()), ("[picture: output/image-1.png]\n", 1));
    let ran = machine.cell("Image.new('RGB', (30, 20), 'red').show()\nprint('shown')").await;
    assert_eq!((ran.output.as_str(), ran.images.len()), ("[picture: output/image-2.png]\nshown\n", 1));
    let code = "import cv2, numpy as np\na = np.zeros((20, 30, 3), np.uint8)\na[:, :, 2] = 255\ncv2.imshow('red', a)\n\
                cv2.waitKey(0)\ncv2.destroyAllWindows()";
    let ran = machine.cell(code).await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    let code = "Image.open('output/image-3.png').getpixel((0, 0))";
    assert_eq!(machine.says(code).await, "(255, 0, 0)\n", "blue, green, red became red, green, blue");
    // A window has one picture, and the next cell a new one.
    let code = "for i in range(60):\n    cv2.imshow('film', a * 0 + i)\n    cv2.imshow('red', a)";
    let ran = machine.cell(code).await;
    assert_eq!(ran.output, "[picture: output/image-4.png]\n[picture: output/image-5.png]\n");
    assert_eq!((ran.images.len(), ran.artifacts.len(), output_names(&machine).len()), (2, 2, 5));
    let code = "Image.open('output/image-4.png').getpixel((0, 0))";
    assert_eq!(machine.says(code).await, "(59, 59, 59)\n", "the last of the film");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_pictures_the_first_and_the_last_are_kept_and_given() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says(PNG).await;
    let ran = machine.cell("for i in range(60): display(SVG(svg(i)))").await;
    let told = "[of more than 50 pictures of a cell only the first 49 and the last are kept]\n";
    assert!(ran.output.starts_with("[picture: output/image-1.svg]\n") && ran.output.ends_with(told), "{}", ran.output);
    assert_eq!((ran.artifacts.len(), output_names(&machine).len()), (50, 50));
    let text = |name: &str| std::fs::read_to_string(machine.work().join("output").join(name)).expect("picture");
    assert!(text("image-49.svg").contains("<text>48</text>") && text("image-50.svg").contains("<text>59</text>"));
    // The last one is of another kind.
    let ran = machine.cell("for i in range(50): display(SVG(svg(i)))\ndisplay(Image(data=png(7)))").await;
    assert_eq!((ran.artifacts.len(), ran.images.len(), output_names(&machine).len()), (50, 1, 100));

    let ran = machine.cell("for i in range(12): display(Image(data=png(i)))").await;
    let name = |at: usize| ran.images[at].path.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    assert_eq!((ran.artifacts.len(), ran.images.len()), (12, 8), "{}", ran.output);
    assert_eq!((name(0), name(6), name(7)), ("image-2.png", "image-8.png", "image-13.png"));
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_a_file_when_it_is_told_and_a_link_only_takes_a_name() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says(PNG).await;
    let output = machine.work().join("output");
    std::fs::create_dir_all(&output).expect("folder");
    std::os::unix::fs::symlink("/nowhere/at/all", output.join("image-1.png")).expect("link");
    std::os::unix::fs::symlink(folder.path(), output.join("image-2.png")).expect("link");
    let (cancel, running, _) = machine
        .begun("display(Image(data=png(9)))\nimport time\ntime.sleep(1000)", "[picture: output/image-3.png]")
        .await;
    let bytes = std::fs::read(output.join("image-3.png"));
    assert!(bytes.is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")), "it is there before the cell ends");
    cancel.cancel();
    assert_eq!(running.await.expect("ran").status, ToolStatus::Cancelled);
    let ran = machine.cell("display(Image(data=png(9)))").await;
    let path = ran.artifacts[0].host_path.as_ref().expect("path");
    assert!(path.ends_with("output/image-4.png") && path.is_file(), "{}", ran.output);
    machine.toolbox.close().await;
}
