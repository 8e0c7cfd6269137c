//! Streams in the shapes of known endpoints, each with the reply that must come out, however it is cut.

use futures::StreamExt as _;
use okcvm::model::{Assembler, ChatModel as _, ChatRequest, FrameDecoder, ModelEvent, OpenAiChat, Reply, Timing};
use okcvm::protocol::Message;
use proptest::prelude::*;

use super::support::endpoint::{Answer, FakeEndpoint};

/// What must come out of a stream.
struct Shape {
    name: &'static str,
    stream: &'static str,
    text: &'static str,
    reasoning: Option<&'static str>,
    /// Id (empty: any), name, arguments.
    calls: &'static [(&'static str, &'static str, &'static str)],
    finish_reason: &'static str,
    /// Input, output, cached.
    usage: Option<(u64, u64, u64)>,
}

macro_rules! stream {
    ($name:literal) => {
        include_str!(concat!("../fixtures/sse/", $name, ".txt"))
    };
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "openai",
        stream: stream!("openai"),
        text: "",
        reasoning: None,
        calls: &[
            ("call_DdmO9pD3xa9XTPNJ32zg2hcA", "mshtools-read_file", r#"{"file_path":"/mnt/a.txt"}"#),
            ("call_SecondParallelCall0000000", "mshtools-shell", r#"{"command":"ls"}"#),
        ],
        finish_reason: "tool_calls",
        usage: Some((1200, 48, 1024)),
    },
    Shape {
        name: "moonshot",
        stream: stream!("moonshot"),
        text: "我看一下。",
        reasoning: Some("The user wants a list."),
        calls: &[("mshtools-shell:0", "mshtools-shell", r#"{"command": "ls -A"}"#)],
        finish_reason: "tool_calls",
        usage: Some((300, 30, 256)),
    },
    Shape {
        name: "deepseek",
        stream: stream!("deepseek"),
        text: "It is 4.",
        reasoning: Some("Two plus two."),
        calls: &[],
        finish_reason: "stop",
        usage: Some((12, 9, 0)),
    },
    Shape {
        name: "openrouter",
        stream: stream!("openrouter"),
        text: "I look.",
        reasoning: Some("Let me look."),
        calls: &[("toolu_01A", "mshtools-todo_read", "{}")],
        finish_reason: "tool_calls",
        usage: Some((77, 21, 64)),
    },
    Shape {
        name: "ollama",
        stream: stream!("ollama"),
        text: "",
        reasoning: Some("Okay, ls."),
        calls: &[
            ("call_k3jx91", "mshtools-shell", r#"{"command":"ls"}"#),
            ("call_9aqz02", "mshtools-shell", r#"{"command":"pwd"}"#),
        ],
        finish_reason: "stop",
        usage: Some((160, 44, 0)),
    },
    Shape {
        name: "llama.cpp",
        stream: stream!("llama-cpp"),
        text: "",
        reasoning: Some("Need the file."),
        calls: &[("Rk2aV0", "mshtools-read_file", r#"{"file_path":"/mnt/é"}"#)],
        finish_reason: "tool_calls",
        usage: Some((210, 33, 0)),
    },
    Shape {
        name: "vllm",
        stream: stream!("vllm"),
        text: "\n\n",
        reasoning: Some("Hm"),
        calls: &[(
            "chatcmpl-tool-1f",
            "mshtools-edit_file",
            r#"{"file_path": "/mnt/a", "old_string": "}", "new_string": "{"}"#,
        )],
        finish_reason: "tool_calls",
        usage: Some((90, 40, 0)),
    },
    Shape {
        name: "lm studio",
        stream: stream!("lm-studio"),
        text: "Sure.",
        reasoning: None,
        calls: &[("462037107", "mshtools-shell", r#"{"command":"echo hi"}"#)],
        finish_reason: "tool_calls",
        usage: None,
    },
    Shape {
        name: "gemini",
        stream: stream!("gemini"),
        text: "Reading both.",
        reasoning: None,
        calls: &[
            ("function-call-11", "mshtools-read_file", r#"{"file_path":"/mnt/a"}"#),
            ("function-call-22", "mshtools-read_file", r#"{"file_path":"/mnt/b"}"#),
        ],
        finish_reason: "stop",
        usage: Some((50, 36, 0)),
    },
    Shape {
        name: "a gateway with CRLF, a byte order mark, whole arguments and no end",
        stream: stream!("gateway-crlf"),
        text: "Hi 🌍",
        reasoning: None,
        calls: &[("", "mshtools-shell", r#"{"command":"ls"}"#), ("", "mshtools-shell", r#"{"command":"pwd"}"#)],
        finish_reason: "stop",
        usage: None,
    },
];

impl Shape {
    fn check(&self, reply: &Reply) {
        let name = self.name;
        assert_eq!(reply.text, self.text, "{name}");
        assert_eq!(reply.reasoning.as_deref(), self.reasoning, "{name}");
        assert_eq!(reply.finish_reason.as_deref(), Some(self.finish_reason), "{name}");
        assert_eq!(reply.tool_calls.len(), self.calls.len(), "{name}: {:?}", reply.tool_calls);
        for (call, (id, tool, arguments)) in reply.tool_calls.iter().zip(self.calls) {
            assert_eq!((call.name.as_str(), call.arguments.as_str()), (*tool, *arguments), "{name}");
            assert!(if id.is_empty() { !call.id.0.is_empty() } else { call.id.0 == *id }, "{name}: {call:?}");
        }
    }
}

/// The events and the reply of a stream in these chunks, without HTTP.
fn assembled<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Reply) {
    let (mut decoder, mut assembler) = (FrameDecoder::new(), Assembler::new("seed"));
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, &mut frames);
        for frame in frames.drain(..) {
            assembler.frame(&frame, &mut events).expect("a good frame");
        }
    }
    if let Some(frame) = decoder.end() {
        assembler.frame(&frame, &mut events).expect("a good frame");
    }
    (events, assembler.finish())
}

#[tokio::test]
async fn every_known_endpoint_is_understood() {
    for shape in SHAPES {
        for answer in [Answer::bytes(shape.stream), Answer::bytes(shape.stream).byte_by_byte().close_delimited()] {
            let server = FakeEndpoint::start([answer]);
            let model = OpenAiChat::new(server.endpoint()).expect("client").with_timing(Timing::quick());
            let message = Message::User { text: "x".to_owned(), attachments: Vec::new() };
            let mut stream = model.stream(ChatRequest { messages: vec![message], tools: Vec::new() });
            let (mut text, mut reasoning, mut usage, mut reply) = (String::new(), String::new(), None, None);
            while let Some(event) = stream.next().await {
                match event.unwrap_or_else(|error| unreachable!("{}: {error}", shape.name)) {
                    ModelEvent::Text(piece) => text.push_str(&piece),
                    ModelEvent::Reasoning(piece) => reasoning.push_str(&piece),
                    ModelEvent::Usage { input, output, cached } => usage = Some((input, output, cached)),
                    ModelEvent::Finished(whole) => reply = Some(whole),
                    other => unreachable!("{}: {other:?}", shape.name),
                }
            }
            let reply = reply.expect("a reply");
            shape.check(&reply);
            assert_eq!((text, usage), (reply.text, shape.usage), "{}", shape.name);
            assert_eq!(reasoning, shape.reasoning.unwrap_or_default(), "{}", shape.name);
        }
    }
}

#[test]
fn cuts_change_nothing() {
    for shape in SHAPES {
        let bytes = shape.stream.as_bytes();
        let whole = assembled([bytes]);
        shape.check(&whole.1);
        assert_eq!(assembled(bytes.chunks(1)), whole, "{} byte by byte", shape.name);
        // Every place would take long with unoptimised code; the short stream has all kinds of line ends.
        let step = if bytes.len() < 500 { 1 } else { 61 };
        for cut in (0..=bytes.len()).step_by(step) {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(assembled([before, after]), whole, "{} cut at {cut}", shape.name);
        }
    }
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        which in 0..SHAPES.len(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..64),
    ) {
        let bytes = SHAPES[which].stream.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let chunks = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(assembled(chunks), assembled([bytes]));
    }

    #[test]
    fn no_bytes_at_all_can_make_the_reader_fail_otherwise_than_by_saying_so(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        frame in "(data: )?\\{\"(choices|error|usage)\":[\\[\\]{}\"a-z:,0-9]{0,40}",
    ) {
        let (mut decoder, mut assembler) = (FrameDecoder::new(), Assembler::new("seed"));
        let mut frames = Vec::new();
        decoder.push(&bytes, &mut frames);
        decoder.push(frame.as_bytes(), &mut frames);
        frames.extend(decoder.end());
        for frame in frames {
            drop(assembler.frame(&frame, &mut Vec::new()));
        }
        drop(assembler.finish());
    }
}
