//! The backend Landlock in use: where commands find their files, what they are told, and what a setting opens.

use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxSection};
use okcvm::protocol::ToolStatus;
use okcvm::sandbox::Sandbox;
use serde_json::json;

use crate::support::machine::{self, Machine};
use crate::support::skip_or_fail;

fn chosen(section: &SandboxSection, folder: &tempfile::TempDir) -> Option<Sandbox> {
    match machine::choose(section, &folder.path().join("state")) {
        Ok(sandbox) => Some(sandbox),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

fn section(backend: SandboxBackend, mode: NetworkMode) -> SandboxSection {
    SandboxSection { backend, network: NetworkSection::of_mode(mode), ..SandboxSection::default() }
}

#[tokio::test]
async fn the_model_is_told_the_real_folder_and_file_tools_take_both_paths() {
    let folder = machine::folder();
    let Some(sandbox) = chosen(&section(SandboxBackend::Landlock, NetworkMode::Off), &folder) else { return };
    assert_eq!((sandbox.label(), sandbox.confines()), ("landlock", true));
    assert!(!sandbox.missing_walls().is_empty());
    let machine = Machine::create(folder.path(), 1, &sandbox);
    assert_ne!(machine.inside, machine.mount);

    let ran =
        machine.shell("pwd; echo one > f; echo $OKCVM_WORKSPACE; ls -d $HOME $TMPDIR >/dev/null && echo folders").await;
    assert_eq!(ran.output, format!("{0}\n{0}\nfolders\n", machine.inside));
    for path in ["f".to_owned(), format!("{}/f", machine.mount), format!("{}/f", machine.inside)] {
        let read = machine.call("read_file", json!({ "file_path": path })).await;
        assert!(read.status == ToolStatus::Ok && read.output.contains("one"), "{path}: {}", read.output);
    }
    let written =
        machine.call("write_file", json!({"file_path": format!("{}/sub/g", machine.inside), "content": "two\n"})).await;
    assert_eq!(written.status, ToolStatus::Ok, "{}", written.output);
    let ran = machine.shell("cat sub/g; echo three >> sub/g && ln -s $OKCVM_WORKSPACE/f link").await;
    assert_eq!(ran.output, "two\n");
    // A link that a command made with the path it knows leads to the same file.
    assert!(machine.call("read_file", json!({"file_path": "link"})).await.output.contains("one"));
    let near = format!("{}x/f", machine.inside);
    assert_eq!(machine.call("read_file", json!({ "file_path": near })).await.status, ToolStatus::Error);

    let specs = machine.toolbox.specs();
    let shell = specs.iter().find(|spec| spec.name.ends_with("shell")).expect("shell");
    for words in ["degraded sandbox", machine.inside.as_str(), "chmod"] {
        assert!(shell.description.contains(words), "{words}: {}", shell.description);
    }
}

/// Who may be traced is a matter of the walls; that nobody is, of the setting.
#[tokio::test]
async fn tracing_is_refused_unless_the_setting_allows_it() {
    for backend in [SandboxBackend::Bubblewrap, SandboxBackend::Landlock] {
        for allow_ptrace in [false, true] {
            let folder = machine::folder();
            let section = SandboxSection { allow_ptrace, ..section(backend, NetworkMode::Off) };
            let Some(sandbox) = chosen(&section, &folder) else { return };
            let machine = Machine::create(folder.path(), 1, &sandbox);
            let program = "import ctypes,os\nc=ctypes.CDLL(None,use_errno=True)\npid=os.fork()\n\
                if pid==0:\n    os.kill(os.getpid(),19); os._exit(0)\n\
                os.waitpid(pid,2)\nprint('CHILD',c.ptrace(0x4206,pid,0,0))\nos.kill(pid,9)\n\
                print('OTHERS',[c.ptrace(0x4206,p,0,0) for p in (1,os.getppid())])\n";
            let ran = machine.shell(&format!("exec python3 -c \"{program}\"")).await.output;
            let child = if allow_ptrace { "CHILD 0" } else { "CHILD -1" };
            assert!(ran.contains(child) && ran.contains("OTHERS [-1, -1]"), "{backend:?} {allow_ptrace}: {ran}");
        }
    }
}

#[tokio::test]
async fn through_the_proxy_only_its_port_is_reached() {
    let folder = machine::folder();
    let Some(sandbox) = chosen(&section(SandboxBackend::Landlock, NetworkMode::Proxy), &folder) else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
    let port = listener.local_addr().expect("address").port();
    let machine = Machine::create(folder.path(), 1, &sandbox);
    let ran = machine
        .shell(&format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port} && echo REACHED\n\
             p=${{http_proxy#http://}}; p=${{p%/}}; exec 4<>/dev/tcp/${{p%:*}}/${{p#*:}} || exit\n\
             printf 'CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&4; head -1 <&4"
        ))
        .await
        .output;
    assert!(!ran.contains("REACHED") && ran.contains("HTTP/1.1 403"), "{ran}");
}
