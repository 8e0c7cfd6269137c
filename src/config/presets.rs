//! Providers that the setup screen offers, so that most people type nothing but a key.

/// A provider whose endpoint speaks the OpenAI wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the screen.
    pub name: &'static str,
    /// Its base URL; empty where the user types one.
    pub base_url: &'static str,
    /// The variable in which its users usually keep their key.
    pub key_env: Option<&'static str>,
    /// Whether it refuses requests without a key.
    pub needs_key: bool,
    /// A model name to show as an example; the real list comes from the endpoint.
    pub example_model: &'static str,
}

/// The providers, hosted ones first, then servers on the user's own machine, then "Custom".
pub const PRESETS: &[Preset] = &[
    hosted("Moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "kimi-k2-0905-preview"),
    hosted("OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-5"),
    hosted("DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek-chat"),
    hosted("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "moonshotai/kimi-k2"),
    hosted("Anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "claude-sonnet-4-5"),
    hosted("Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", "gemini-2.5-pro"),
    local("Ollama", "http://127.0.0.1:11434/v1", "qwen3"),
    local("LM Studio", "http://127.0.0.1:1234/v1", "qwen3-8b"),
    local("llama.cpp", "http://127.0.0.1:8080/v1", "default"),
    local("vLLM", "http://127.0.0.1:8000/v1", "Qwen/Qwen3-8B"),
    Preset { name: "Custom", base_url: "", key_env: None, needs_key: false, example_model: "model-name" },
];

const fn hosted(
    name: &'static str,
    base_url: &'static str,
    key_env: &'static str,
    example_model: &'static str,
) -> Preset {
    Preset { name, base_url, key_env: Some(key_env), needs_key: true, example_model }
}

const fn local(name: &'static str, base_url: &'static str, example_model: &'static str) -> Preset {
    Preset { name, base_url, key_env: None, needs_key: false, example_model }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_value;

    #[test]
    fn every_preset_would_pass_the_check_of_a_config() {
        for preset in PRESETS {
            if preset.name != "Custom" {
                assert_eq!(check_value("chat.base_url", preset.base_url), Ok(()), "{}", preset.name);
            }
            assert_eq!(check_value("chat.model", preset.example_model), Ok(()), "{}", preset.name);
            if let Some(variable) = preset.key_env {
                assert_eq!(check_value("chat.api_key_env", variable), Ok(()), "{}", preset.name);
            }
            assert_eq!(preset.needs_key, preset.base_url.starts_with("https:"), "{}", preset.name);
        }
        assert_eq!(PRESETS.last().map(|preset| preset.name), Some("Custom"));
    }
}
