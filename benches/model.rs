//! From the bytes of a stream to a whole reply: a text of 5,000 tokens, and a call whose arguments are as long.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use okcvm::model::{Assembler, FrameDecoder};
use serde_json::json;

/// How many tokens, one a frame, as endpoints send them.
const TOKENS: usize = 5_000;
/// About what one read from a socket brings at full speed.
const CHUNK: usize = 4 << 10;

fn stream(delta: impl Fn(usize) -> serde_json::Value) -> Vec<u8> {
    let mut stream = String::new();
    for n in 0..TOKENS {
        let chunk = json!({
            "id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1_763_800_000, "model": "m",
            "choices": [{"index": 0, "delta": delta(n), "logprobs": null, "finish_reason": null}]
        });
        stream.push_str("data: ");
        stream.push_str(&chunk.to_string());
        stream.push_str("\n\n");
    }
    stream.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    stream.into_bytes()
}

fn assemble(bytes: &[u8]) -> usize {
    let (mut decoder, mut assembler) = (FrameDecoder::new(), Assembler::new("seed"));
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for chunk in bytes.chunks(CHUNK) {
        decoder.push(chunk, &mut frames);
        for frame in frames.drain(..) {
            assembler.frame(&frame, &mut events).expect("a good frame");
        }
        seen += events.drain(..).count();
    }
    seen + assembler.finish().text.len()
}

fn model(c: &mut Criterion) {
    let text = stream(|_| json!({"content": " token"}));
    let call = stream(|n| match n {
        0 => {
            json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"content\":\""}}]})
        }
        n if n == TOKENS - 1 => json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"}"}}]}),
        _ => json!({"tool_calls": [{"index": 0, "function": {"arguments": " token"}}]}),
    });
    let mut group = c.benchmark_group("model");
    for (name, bytes) in [("5000 tokens of text", &text), ("5000 tokens of arguments", &call)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| assemble(black_box(bytes))));
    }
    group.finish();
}

criterion_group!(benches, model);
criterion_main!(benches);
