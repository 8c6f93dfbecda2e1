//! TLS as a client: whom this machine trusts, and what a TLS handshake came to.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::net::Stream;

use super::FetchError;

/// Made when it is first needed; what this machine trusts is read once, as by other programs.
static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Says hello on a connection, and sees that the other side is who it should be.
pub async fn begin(stream: Stream, host: &str) -> Result<TlsStream<Stream>, FetchError> {
    let config = CONFIG.get_or_try_init(config).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| FetchError::Tls(error.to_string()))?;
    let connector = TlsConnector::from(config.clone());
    connector.connect(name, stream).await.map_err(|error| FetchError::Tls(error.to_string()))
}

async fn config() -> Result<Arc<ClientConfig>, FetchError> {
    // Hundreds of files may have to be read.
    let made = spawn_blocking(trusting).await;
    made.unwrap_or_else(|error| Err(FetchError::Tls(error.to_string())))
}

/// Trusts the certificates of this machine, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
fn trusting() -> Result<Arc<ClientConfig>, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(FetchError::Tls(format!("this machine has no certificates to trust{why}")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
