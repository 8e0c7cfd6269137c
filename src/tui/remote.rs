//! A screen that is seen over SSH: how the user's own machine reaches what is served on this one.

use url::Url;

/// How this machine was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshPlace {
    user: String,
    host: String,
    port: u16,
}

impl SshPlace {
    /// From `SSH_CONNECTION` (client address and port, server address and port) and the account's name; `None` without.
    pub fn of(env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let connection = env("SSH_CONNECTION")?;
        let mut words = connection.split_whitespace().skip(2);
        let host = words.next()?.to_owned();
        let port = words.next()?.parse().ok()?;
        // What stands in the environment becomes a line that people paste into a shell.
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
                && !text.starts_with('-')
        };
        let user = env("USER").or_else(|| env("LOGNAME"))?;
        (plain(&host, ".:%-_") && plain(&user, "._-")).then_some(Self { user, host, port })
    }

    /// The command that leads an address of this machine's loopback to the user's own; `None` for other addresses.
    pub fn forward(&self, address: &str) -> Option<String> {
        let url = Url::parse(address).ok()?;
        let near = matches!(url.host_str()?, "127.0.0.1" | "localhost" | "[::1]");
        let port = url.port().filter(|_| near)?;
        let Self { user, host, port: ssh } = self;
        let ssh = if *ssh == 22 { String::new() } else { format!(" -p {ssh}") };
        Some(format!("ssh -N -L {port}:127.0.0.1:{port}{ssh} {user}@{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(connection: &str, user: &str) -> Option<SshPlace> {
        SshPlace::of(|name| match name {
            "SSH_CONNECTION" => Some(connection.to_owned()),
            "USER" => Some(user.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_line_can_be_pasted() {
        let place_22 = place("198.51.100.7 50000 203.0.113.5 22", "ada").expect("a place");
        let address = "http://127.0.0.1:20123/482913-0123456789abcdef0123456789abcdef/";
        assert_eq!(place_22.forward(address).as_deref(), Some("ssh -N -L 20123:127.0.0.1:20123 ada@203.0.113.5"));
        assert_eq!(place_22.forward("https://pages.example.com/x/"), None);
        let other = place("::1 50000 2001:db8::1 2222", "ada").expect("a place");
        let line = other.forward("http://localhost:80808/").or_else(|| other.forward("http://localhost:8080/"));
        assert_eq!(line.as_deref(), Some("ssh -N -L 8080:127.0.0.1:8080 -p 2222 ada@2001:db8::1"));
        for (connection, user) in
            [("", "ada"), ("1 2 3", "ada"), ("1 2 h;rm 22", "ada"), ("1 2 h 22", "a b"), ("1 2 -oX 22", "a")]
        {
            assert_eq!(place(connection, user), None, "{connection} {user}");
        }
    }
}
