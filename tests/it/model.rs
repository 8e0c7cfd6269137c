//! The model client against a scripted endpoint: every fault that real ones show.

use std::time::Duration;

use futures::StreamExt as _;
use okcvm::config::schema::Endpoint;
use okcvm::model::{
    ChatModel as _, ChatRequest, ModelError, ModelEvent, OpenAiChat, Reply, Timing, ask_once, list_models,
};
use okcvm::protocol::{CallId, Message, ToolCall};
use okcvm::support::secret::Secret;
use serde_json::json;

use super::support::endpoint::{Answer, FAKE_KEY, FakeEndpoint, Gate, frame};

/// Everything that one request brought.
#[derive(Debug)]
struct Outcome {
    events: Vec<ModelEvent>,
    end: Result<Reply, ModelError>,
}

impl Outcome {
    fn reply(&self) -> &Reply {
        self.end.as_ref().expect("a reply")
    }

    fn error(&self) -> &ModelError {
        self.end.as_ref().expect_err("an error")
    }

    /// The events in short words: text and reasoning joined, waits without their length.
    fn story(&self) -> Vec<String> {
        let mut story: Vec<String> = Vec::new();
        for event in &self.events {
            let (kind, words) = match event {
                ModelEvent::Text(text) => ("text ", text.clone()),
                ModelEvent::Reasoning(text) => ("thought ", text.clone()),
                ModelEvent::Restarted { .. } => ("restarted", String::new()),
                ModelEvent::Retrying { attempt, .. } => ("retrying", format!(" {attempt}")),
                ModelEvent::Usage { input, output, cached } => ("usage", format!(" {input} {output} {cached}")),
                ModelEvent::Finished(_) => ("finished", String::new()),
            };
            match story.last_mut() {
                Some(last) if kind.ends_with(' ') && last.starts_with(kind) => last.push_str(&words),
                _ => story.push(format!("{kind}{words}")),
            }
        }
        story
    }
}

fn user(text: &str) -> Message {
    Message::User { text: text.to_owned(), attachments: Vec::new() }
}

fn hello() -> ChatRequest {
    ChatRequest { messages: vec![user("hello")], tools: Vec::new() }
}

fn client(endpoint: Endpoint) -> OpenAiChat {
    OpenAiChat::new(endpoint).expect("client").with_timing(Timing::quick())
}

async fn request(model: &OpenAiChat, request: ChatRequest) -> Outcome {
    let mut stream = model.stream(request);
    let mut events = Vec::new();
    let collect = async {
        while let Some(event) = stream.next().await {
            match event {
                Ok(ModelEvent::Finished(reply)) => {
                    events.push(ModelEvent::Finished(reply.clone()));
                    assert!(stream.next().await.is_none(), "nothing follows the reply");
                    return Ok(reply);
                }
                Ok(event) => events.push(event),
                Err(error) => {
                    assert!(stream.next().await.is_none(), "nothing follows an error");
                    return Err(error);
                }
            }
        }
        unreachable!("a stream ends with a reply or an error")
    };
    let end = tokio::time::timeout(Duration::from_secs(60), collect).await.expect("an end in good time");
    Outcome { events, end }
}

async fn run(script: impl IntoIterator<Item = Answer>) -> (Outcome, FakeEndpoint) {
    let server = FakeEndpoint::start(script);
    let outcome = request(&client(server.endpoint()), hello()).await;
    (outcome, server)
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: CallId(id.to_owned()), name: name.to_owned(), arguments: arguments.to_owned() }
}

#[tokio::test]
async fn a_reply_streams_in_and_the_request_says_all_it_must() {
    let (outcome, server) = run([Answer::frames([
        frame::reasoning("think"),
        frame::text("Hel"),
        frame::text("lo"),
        frame::finish("stop"),
        frame::usage(10, 5, 4),
        frame::done(),
    ])])
    .await;
    assert_eq!(outcome.story(), ["thought think", "text Hello", "usage 10 5 4", "finished"]);
    assert_eq!(outcome.reply().text, "Hello");
    assert_eq!(outcome.reply().reasoning.as_deref(), Some("think"));
    let sent = &server.requests()[0];
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {FAKE_KEY}").as_str()));
    assert_eq!(sent.header("user-agent"), Some(concat!("okcvm/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(
        sent.body,
        json!({
            "model": "fake-model", "messages": [{"role": "user", "content": "hello"}],
            "stream": true, "stream_options": {"include_usage": true}
        })
    );
}

#[tokio::test]
async fn events_arrive_while_the_reply_is_still_being_made() {
    let gate = Gate::new();
    let server = FakeEndpoint::start([Answer::frames([frame::text("first")]).wait(&gate).then([
        frame::text("second"),
        frame::finish("stop"),
        frame::done(),
    ])]);
    let mut stream = client(server.endpoint()).stream(hello());
    let first = stream.next().await.expect("an event").expect("no error");
    assert_eq!(first, ModelEvent::Text("first".to_owned()));
    gate.open();
    let second = stream.next().await.expect("an event").expect("no error");
    assert_eq!(second, ModelEvent::Text("second".to_owned()));
}

#[tokio::test]
async fn arguments_cut_at_every_byte_come_out_whole() {
    let arguments = json!({"command": "printf '世界 \u{1F600} \"}{\" \\n'"}).to_string();
    let mut frames = vec![frame::call(0, "call_1", "mshtools-shell", "")];
    frames.extend(arguments.chars().map(|c| frame::args(0, &c.to_string())));
    frames.extend([frame::finish("tool_calls"), frame::done()]);
    let (outcome, _server) = run([Answer::frames(frames).byte_by_byte()]).await;
    assert_eq!(outcome.reply().tool_calls, [call("call_1", "mshtools-shell", &arguments)]);
    assert_eq!(outcome.story(), ["finished"]);
}

#[tokio::test]
async fn two_parallel_calls_keep_their_order_and_arguments() {
    let (outcome, _server) = run([Answer::frames([
        frame::call(0, "a", "mshtools-read_file", "{\"file_path\":"),
        frame::call(1, "b", "mshtools-shell", "{\"comm"),
        frame::args(0, "\"x\"}"),
        frame::args(1, "and\":\"ls\"}"),
        frame::finish("stop"),
        frame::done(),
    ])])
    .await;
    let wanted =
        [call("a", "mshtools-read_file", "{\"file_path\":\"x\"}"), call("b", "mshtools-shell", "{\"command\":\"ls\"}")];
    assert_eq!(outcome.reply().tool_calls, wanted);
    assert_eq!(outcome.reply().finish_reason.as_deref(), Some("stop"));
}

#[tokio::test]
async fn malformed_arguments_are_handed_on_as_they_came_and_go_back_in_an_object() {
    let broken = "{\"command\": \"ls";
    let server = FakeEndpoint::start([
        Answer::frames([frame::call(0, "a", "t", broken), frame::finish("tool_calls"), frame::done()]),
        Answer::text("sorry"),
    ]);
    let model = client(server.endpoint());
    let outcome = request(&model, hello()).await;
    assert_eq!(outcome.reply().tool_calls, [call("a", "t", broken)]);
    let calls = outcome.reply().tool_calls.clone();
    let assistant = Message::Assistant { text: String::new(), reasoning: None, tool_calls: calls };
    request(&model, ChatRequest { messages: vec![user("x"), assistant], tools: Vec::new() }).await;
    let sent = server.requests()[1].messages()[1]["tool_calls"][0]["function"]["arguments"].clone();
    assert_eq!(sent, json!({"malformed_arguments": broken}).to_string());
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_it_names() {
    let busy = json!({"error": {"message": "slow down", "type": "rate_limit_error"}});
    let (outcome, server) = run([Answer::status(429, &busy).header("Retry-After", "0.02"), Answer::text("hi")]).await;
    assert_eq!(outcome.story(), ["retrying 2", "text hi", "usage 11 7 3", "finished"]);
    let ModelEvent::Retrying { after, reason, .. } = &outcome.events[0] else { panic!("{:?}", outcome.events) };
    assert!(*after >= Duration::from_millis(20), "{after:?}");
    assert!(reason.contains("429") && reason.contains("slow down"), "{reason}");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0].body, server.requests()[1].body);
}

#[tokio::test]
async fn a_wait_of_hours_is_an_error_that_says_so() {
    let busy = json!({"error": {"message": "daily limit"}});
    let (outcome, server) = run([Answer::status(429, &busy).header("Retry-After", "7200")]).await;
    let words = outcome.error().to_string();
    assert!(words.contains("120 minutes") && words.contains("daily limit"), "{words}");
    assert!(outcome.error().hint().is_some());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn attempts_end_after_the_configured_number() {
    let script = (0..9).map(|_| Answer::status(503, &json!({"error": "overloaded"})));
    let (outcome, server) = run(script).await;
    assert_eq!(outcome.story(), ["retrying 2", "retrying 3", "retrying 4"]);
    assert_eq!(server.requests().len(), 4);
    assert!(outcome.error().to_string().ends_with("answered 503: overloaded (tried 4 times)"), "{}", outcome.error());
}

#[tokio::test]
async fn credit_that_is_used_up_is_not_asked_for_again() {
    let body = json!({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}});
    let (outcome, server) = run([Answer::status(429, &body)]).await;
    assert_eq!(server.requests().len(), 1);
    assert!(outcome.error().hint().expect("hint").contains("credit"));
}

#[tokio::test]
async fn a_connection_dropped_in_mid_stream_starts_the_reply_again() {
    let (outcome, _server) = run([
        Answer::frames([frame::text("half a "), frame::call(0, "a", "t", "{\"x\":")]).drop_connection(),
        Answer::text("whole"),
    ])
    .await;
    assert_eq!(outcome.story(), ["text half a ", "restarted", "retrying 2", "text whole", "usage 11 7 3", "finished"]);
    assert_eq!(outcome.reply().text, "whole");
    assert_eq!(outcome.reply().tool_calls, []);
}

#[tokio::test]
async fn a_connection_dropped_before_any_answer_is_tried_again_without_a_restart() {
    let (outcome, _server) = run([Answer::frames([]).drop_connection(), Answer::text("hi")]).await;
    assert_eq!(outcome.story(), ["retrying 2", "text hi", "usage 11 7 3", "finished"]);
}

#[tokio::test]
async fn a_drop_after_the_reason_for_the_end_loses_nothing() {
    let (outcome, server) = run([Answer::frames([frame::text("all"), frame::finish("stop")]).drop_connection()]).await;
    assert_eq!(outcome.story(), ["text all", "finished"]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_stall_runs_into_the_idle_timeout_and_is_tried_again() {
    let server = FakeEndpoint::start([Answer::frames([frame::text("so")]).stall(), Answer::text("done")]);
    let timing = Timing { idle: Duration::from_millis(150), ..Timing::quick() };
    let model = OpenAiChat::new(server.endpoint()).expect("client").with_timing(timing);
    let outcome = request(&model, hello()).await;
    assert_eq!(outcome.story(), ["text so", "restarted", "retrying 2", "text done", "usage 11 7 3", "finished"]);
    let ModelEvent::Restarted { reason } = &outcome.events[1] else { panic!("{:?}", outcome.events) };
    assert!(reason.contains("nothing came") && reason.contains("0.15 s"), "{reason}");
}

#[tokio::test]
async fn a_server_that_never_answers_runs_into_the_idle_timeout() {
    let gate = Gate::new();
    let server = FakeEndpoint::start([Answer::text("too late").wait_first(&gate)]);
    let timing = Timing { idle: Duration::from_millis(50), connect: Duration::from_millis(50), ..Timing::quick() };
    let endpoint = Endpoint { max_retries: 0, ..server.endpoint() };
    let outcome = request(&OpenAiChat::new(endpoint).expect("client").with_timing(timing), hello()).await;
    assert!(matches!(outcome.error(), ModelError::Idle { .. }), "{:?}", outcome.error());
}

#[tokio::test]
async fn comments_are_no_part_of_the_reply() {
    let server = FakeEndpoint::start([Answer::frames([": OPENROUTER PROCESSING\n\n".to_owned(), frame::text("x")])
        .then([frame::finish("stop"), frame::done()])]);
    let outcome = request(&client(server.endpoint()), hello()).await;
    assert_eq!(outcome.story(), ["text x", "finished"]);
}

#[tokio::test]
async fn an_empty_reply_is_an_error_of_its_own_kind() {
    for frames in [vec![frame::finish("stop"), frame::done()], vec![frame::text(" \n"), frame::finish("stop")], vec![]]
    {
        let (outcome, server) = run([Answer::frames(frames)]).await;
        assert!(outcome.error().is_empty_reply(), "{:?}", outcome.error());
        assert_eq!(server.requests().len(), 1, "the engine decides about another attempt");
    }
}

#[tokio::test]
async fn lines_may_end_with_crlf_or_cr_and_the_stream_with_nothing() {
    let frames =
        || Answer::frames([frame::text("a世"), frame::call(0, "1", "t", "{}"), frame::finish("x"), frame::done()]);
    for answer in [frames().crlf(), frames().cr(), frames().bom(), frames().crlf().bom().byte_by_byte()] {
        let (outcome, _server) = run([answer]).await;
        assert_eq!(outcome.reply().text, "a世");
        assert_eq!(outcome.reply().tool_calls, [call("1", "t", "{}")]);
    }
    // No [DONE], no last blank line, in bodies that end by length and by closing.
    let cut = frames().written();
    let cut = cut[..cut.len() - "\n\ndata: [DONE]\n\n".len()].to_vec();
    for answer in [Answer::bytes(cut.clone()), Answer::bytes(cut).close_delimited()] {
        let (outcome, server) = run([answer]).await;
        assert_eq!(outcome.reply().text, "a世");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_end_that_http_marks_is_believed_and_any_other_is_not() {
    let (outcome, _server) = run([Answer::frames([frame::text("no finish_reason")])]).await;
    assert_eq!(outcome.reply().text, "no finish_reason");
    let (outcome, _server) = run([Answer::frames([frame::text("cut")]).close_delimited(), Answer::text("whole")]).await;
    assert_eq!(outcome.reply().text, "whole");
    let (outcome, _server) =
        run([Answer::frames([frame::call(0, "1", "t", "{\"half\":")]), Answer::text("whole")]).await;
    assert_eq!(outcome.reply().text, "whole");
}

#[tokio::test]
async fn characters_of_several_bytes_may_be_split_anywhere() {
    let (outcome, _server) = run([Answer::text("añ世😀").byte_by_byte()]).await;
    assert_eq!(outcome.reply().text, "añ世😀");
    assert!(outcome.events.iter().all(|event| !matches!(event, ModelEvent::Text(text) if text.contains('\u{fffd}'))));
}

#[tokio::test]
async fn an_error_inside_the_stream_is_told_in_the_servers_words() {
    let (outcome, server) = run([Answer::frames([frame::text("a"), frame::error("no such tool", &json!(400))])]).await;
    assert!(
        outcome.error().to_string().ends_with("reported an error in its reply: no such tool"),
        "{}",
        outcome.error()
    );
    assert_eq!(server.requests().len(), 1);
    let (outcome, _server) =
        run([Answer::frames([frame::text("a"), frame::error("overloaded", &json!(529))]), Answer::text("b")]).await;
    assert_eq!(outcome.story(), ["text a", "restarted", "retrying 2", "text b", "usage 11 7 3", "finished"]);
}

#[tokio::test]
async fn a_web_page_instead_of_a_reply_is_named_as_such() {
    let page = "<!doctype html><html><head><style>b{}</style><title>Welcome</title></head><body>Log in</body></html>";
    let (outcome, server) = run([Answer::html(200, page)]).await;
    let words = outcome.error().to_string();
    assert!(words.contains("a web page came instead: Welcome Log in"), "{words}");
    assert!(outcome.error().hint().expect("hint").contains("/v1"));
    assert_eq!(server.requests().len(), 1);
    let (outcome, _server) = run([Answer::html(502, "<h1>502 Bad Gateway</h1>"), Answer::text("x")]).await;
    assert_eq!(outcome.reply().text, "x");
}

#[tokio::test]
async fn refusals_carry_the_servers_words_and_a_hint() {
    for (status, words, hint) in [
        (401, "Incorrect API key", "key"),
        (404, "no such model", "chat.model"),
        (400, "maximum context length is 8 tokens", "too long"),
        (413, "Payload Too Large", "too long"),
    ] {
        let (outcome, server) = run([Answer::status(status, &json!({"error": {"message": words}}))]).await;
        assert!(outcome.error().to_string().ends_with(&format!("answered {status}: {words}")), "{}", outcome.error());
        assert!(outcome.error().hint().expect("hint").contains(hint), "{status}");
        assert_eq!((server.requests().len(), outcome.error().status()), (1, Some(status)));
    }
}

#[tokio::test]
async fn a_key_that_the_server_echoes_is_removed() {
    let echo = json!({"error": {"message": format!("bad key {FAKE_KEY}"), "code": 401}});
    for answer in [
        Answer::status(401, &echo),
        Answer::frames([frame::raw(&echo)]),
        Answer::html(200, &format!("<p>{FAKE_KEY}</p>")),
        Answer::html(404, FAKE_KEY),
        Answer::status(302, &json!({})).header("Location", &format!("/login/{FAKE_KEY}?key={FAKE_KEY}")),
    ] {
        let (outcome, _server) = run([answer]).await;
        let shown = format!("{0} {0:?} {1:?}", outcome.error(), outcome.error().hint());
        assert!(!shown.contains(FAKE_KEY), "{shown}");
    }
}

#[tokio::test]
async fn the_key_follows_no_redirect_to_another_origin() {
    let elsewhere = FakeEndpoint::start([Answer::text("stolen")]);
    let target = format!("{}/chat/completions", elsewhere.base_url());
    for status in [301, 302, 303, 307, 308] {
        let (outcome, _server) = run([Answer::status(status, &json!({})).header("Location", &target)]).await;
        let ModelError::Redirected { target: named, .. } = outcome.error() else { panic!("{:?}", outcome.error()) };
        assert_eq!(*named, target);
    }
    assert!(elsewhere.requests().is_empty());
    // Inside the origin a redirect that keeps the method is followed.
    let moved = Answer::status(307, &json!({})).header("Location", "/v1/chat/completions/");
    let (outcome, server) = run([moved, Answer::text("here")]).await;
    assert_eq!(outcome.reply().text, "here");
    assert_eq!(server.requests()[1].path, "/v1/chat/completions/");
    assert_eq!(server.requests()[1].body, server.requests()[0].body);
}

#[tokio::test]
async fn an_endpoint_that_does_not_stream_gives_the_same_reply() {
    let message = json!({"role": "assistant", "content": "hi", "reasoning_content": "hm", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{\"x\":1}"}},
        {"id": "b", "type": "function", "function": {"name": "u", "arguments": {"y": 2}}}
    ]});
    let server = FakeEndpoint::start([Answer::message(&message, "tool_calls")]);
    let endpoint = Endpoint { supports_streaming: false, ..server.endpoint() };
    let outcome = request(&client(endpoint), hello()).await;
    assert_eq!(outcome.story(), ["thought hm", "text hi", "usage 11 7 0", "finished"]);
    assert_eq!(outcome.reply().tool_calls, [call("a", "t", "{\"x\":1}"), call("b", "u", "{\"y\":2}")]);
    let sent = &server.requests()[0].body;
    assert_eq!((sent["stream"].clone(), sent.get("stream_options")), (json!(false), None));
}

#[tokio::test]
async fn an_endpoint_may_stream_or_not_whatever_it_was_asked() {
    let whole = Answer::message(&json!({"content": "whole"}), "stop");
    let (outcome, _server) = run([whole]).await;
    assert_eq!(outcome.reply().text, "whole");
    let server = FakeEndpoint::start([Answer::text("streamed")]);
    let endpoint = Endpoint { supports_streaming: false, ..server.endpoint() };
    assert_eq!(request(&client(endpoint), hello()).await.reply().text, "streamed");
}

#[tokio::test]
async fn an_old_server_that_refuses_stream_options_is_asked_without_them() {
    let refusal = json!({"detail": [{"loc": ["body"], "msg": "Extra inputs are not permitted: stream_options"}]});
    let server = FakeEndpoint::start([Answer::status(422, &refusal), Answer::text("a"), Answer::text("b")]);
    let model = client(server.endpoint());
    assert_eq!(request(&model, hello()).await.story(), ["text a", "usage 11 7 3", "finished"]);
    assert_eq!(request(&model, hello()).await.reply().text, "b");
    let asked: Vec<bool> = server.requests().iter().map(|sent| sent.body.get("stream_options").is_some()).collect();
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test]
async fn reasoning_goes_back_only_to_endpoints_that_call_it_reasoning_content() {
    for (field, goes_back) in [("reasoning_content", true), ("reasoning", false)] {
        let thought = frame::raw(&json!({"choices": [{"index": 0, "delta": {field: "because"}}]}));
        let first = Answer::frames([thought, frame::call(0, "a", "t", "{}"), frame::finish("tool_calls")]);
        let server = FakeEndpoint::start([first, Answer::text("b")]);
        let model = client(server.endpoint());
        let Reply { text, reasoning, tool_calls, .. } = request(&model, hello()).await.reply().clone();
        assert_eq!(reasoning.as_deref(), Some("because"));
        let messages = vec![user("hello"), Message::Assistant { text, reasoning, tool_calls }];
        request(&model, ChatRequest { messages, tools: Vec::new() }).await;
        assert_eq!(server.requests()[1].messages()[1].get("reasoning_content").is_some(), goes_back, "{field}");
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let begun = Gate::new();
    let answer = Answer::frames([frame::text("a")]).signal(&begun).stall();
    let server = FakeEndpoint::start([answer]);
    let mut stream = client(server.endpoint()).stream(hello());
    assert!(stream.next().await.is_some());
    begun.opened().await;
    drop(stream);
    server.client_left().await;
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let server = FakeEndpoint::answering(|_, n| Answer::text(&n.to_string()));
    let model = client(server.endpoint());
    // The connection is free again a moment after the reply; a request that comes sooner opens another one.
    for n in 0..100 {
        assert_eq!(request(&model, hello()).await.reply().text, n.to_string());
        if server.connections() < server.requests().len() {
            return;
        }
    }
    panic!("no connection was used twice");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        listener.local_addr().expect("address")
    };
    let endpoint =
        Endpoint { base_url: format!("http://{address}/v1"), max_retries: 1, ..FakeEndpoint::start([]).endpoint() };
    let outcome = request(&client(endpoint), hello()).await;
    assert_eq!(outcome.story(), ["retrying 2"]);
    let words = outcome.error().to_string();
    assert!(words.contains(&address.to_string()) && words.contains("refused") && words.contains("2 times"), "{words}");
    assert!(outcome.error().hint().expect("hint").contains("Start the model server"));
}

#[tokio::test]
async fn models_are_listed_from_every_known_shape() {
    for body in [
        json!({"object": "list", "data": [{"id": "b"}, {"id": "a"}, {"id": "a"}]}),
        json!({"models": [{"name": "a"}, {"name": "b"}]}),
        json!([{"id": "a"}, "b"]),
    ] {
        let server = FakeEndpoint::start([Answer::json(&body)]);
        assert_eq!(list_models(&server.endpoint()).await.expect("models"), ["a", "b"]);
        let sent = &server.requests()[0];
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("GET", "/v1/models"));
        assert!(sent.header("authorization").is_some());
    }
    let server = FakeEndpoint::start([Answer::html(200, "<html>hi</html>")]);
    let error = list_models(&server.endpoint()).await.expect_err("an error");
    assert!(error.to_string().contains("a list of models"), "{error}");
}

#[tokio::test]
async fn one_question_is_asked_once() {
    let server = FakeEndpoint::start([Answer::text("fine"), Answer::status(500, &json!({"error": "x"}))]);
    assert_eq!(ask_once(&server.endpoint(), "well?").await.expect("answer"), "fine");
    assert!(ask_once(&server.endpoint(), "well?").await.is_err());
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0].messages(), [json!({"role": "user", "content": "well?"})]);
}

#[test]
fn a_client_costs_nothing_before_its_first_request() {
    // No runtime here: anything that connects or spawns would panic.
    let endpoint = Endpoint {
        base_url: "https://api.example.com/v1".to_owned(),
        api_key: Some(Secret::new("sk-x-123456")),
        ..FakeEndpoint::start([]).endpoint()
    };
    let model = OpenAiChat::new(endpoint).expect("client");
    drop(model.stream(hello()));
    assert_eq!(model.name(), "fake-model");
}
