//! Pictures of cells: plots, Pillow, OpenCV, files that overwrite nothing.

use okcvm::protocol::{ArtifactKind, ToolStatus};

use super::{Machine, has_module, machine};
use crate::support::machine as support;

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
    machine.toolbox.close().await;
}
