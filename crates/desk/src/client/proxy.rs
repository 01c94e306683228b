//! An HTTP proxy between a branch office and its desk.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ClientError;

/// A proxy that opens tunnels (CONNECT: RFC 9110, section 9.3.6): `http://HOST:PORT`. TLS goes through it to the desk, so that
/// it sees which desk is asked, and nothing else. One that wants a name and a password is not served: they would lie here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// The address as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for requests. The proxy looks up the desk's name: at the office nobody may know it.
    pub(super) fn proxy(&self) -> Result<ureq::Proxy, ClientError> {
        ureq::Proxy::new(&self.0).map_err(|_| self.refused())
    }

    fn refused(&self) -> ClientError {
        ClientError::ProxyRefused { url: self.0.chars().take(200).collect() }
    }
}

impl FromStr for ProxyUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        // What somebody typed before the host may be a password.
        let shown = text.rsplit('@').next().unwrap_or_default();
        let refused = || ClientError::ProxyRefused { url: shown.chars().take(200).collect() };
        let uri: ureq::http::Uri = text.trim().parse().map_err(|_| refused())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(refused)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.host().is_empty();
        match (uri.scheme_str(), authority.port_u16()) {
            (Some("http"), Some(_)) if is_bare => Ok(Self(format!("http://{authority}").to_lowercase())),
            _ => Err(refused()),
        }
    }
}

impl From<ProxyUrl> for String {
    fn from(url: ProxyUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_a_port_and_no_password() {
        let read = |text: &str| text.parse::<ProxyUrl>();
        assert_eq!(read(" http://Proxy.example.com:3128/ ").unwrap().as_str(), "http://proxy.example.com:3128");
        assert_eq!(read("http://[::1]:8080").unwrap().as_str(), "http://[::1]:8080");
        for wrong in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://proxy",
            "http://proxy:x",
            "http://:3128",
            "http://proxy:3128/path",
            "http://proxy:3128?a=b",
            "http://ann:secret@proxy:3128",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(matches!(error, ClientError::ProxyRefused { .. }), "{wrong}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let kept = serde_json::to_string(&read("http://proxy:3128").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<ProxyUrl>(&kept).unwrap().as_str(), "http://proxy:3128");
        assert!(serde_json::from_str::<ProxyUrl>("\"http://a:b@proxy:3128\"").is_err());
    }
}
