//! The session's todo list.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::protocol::{TodoItem, TodoStatus};
use crate::tools::tool::{Tool, ToolContext, ToolError, ToolOutput};

/// Tells the list.
#[derive(Debug)]
pub(super) struct TodoRead;

impl Tool for TodoRead {
    fn run<'a>(&'a self, cx: ToolContext<'a>, _: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        let list = cx.machine.state.todos();
        Box::pin(async move { Ok(ToolOutput::text(json_text(&list)?)) })
    }
}

/// Replaces the list.
#[derive(Debug)]
pub(super) struct TodoWrite;

impl Tool for TodoWrite {
    fn run<'a>(&'a self, cx: ToolContext<'a>, mut args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let given = args.get_mut("todos").map(Value::take).unwrap_or_default();
            let todos: Vec<TodoItem> =
                serde_json::from_value(given).map_err(|error| ToolError::ForModel(format!("todos: {error}")))?;
            let count = |status| todos.iter().filter(|item| item.status == status).count();
            let summary = json!({
                "total": todos.len(),
                "pending": count(TodoStatus::Pending),
                "in_progress": count(TodoStatus::InProgress),
                "completed": count(TodoStatus::Completed),
            });
            cx.machine.state.replace_todos(todos.clone());
            let mut output = ToolOutput::text(json_text(&summary)?);
            output.todos = Some(todos);
            Ok(output)
        })
    }
}

fn json_text(value: &impl serde::Serialize) -> Result<String, ToolError> {
    serde_json::to_string_pretty(value).map_err(|error| ToolError::ForModel(error.to_string()))
}
