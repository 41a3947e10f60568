//! The client key that an administrator downloads: `{"client_id": ..., "private_key": ...}` (Authentication page).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::services::imeet_central::assumptions as assumed;

/// Client id and private key. Has no `Debug`: the key is the account's only secret.
pub struct ClientKey {
    pub client_id: String,
    key: RsaPrivateKey,
}

#[derive(Deserialize)]
struct KeyFile {
    client_id: String,
    private_key: String,
}

impl ClientKey {
    /// Errors: `Invalid`, with nothing of the file's content in the text.
    pub fn read(text: &str) -> Result<ClientKey> {
        let file: KeyFile = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| {
            Error::new(ErrorKind::Invalid, "it is not the downloaded key: no JSON with client_id and private_key")
        })?;
        Ok(ClientKey { client_id: file.client_id.trim().to_owned(), key: private_key(&file.private_key)? })
    }

    /// A signed JWT for the token endpoint (RFC 7523 with the vendor's claims), good from shortly before `now_s`.
    pub fn assertion(&self, audience: &str, now_s: u64) -> Result<String> {
        let issued = now_s.saturating_sub(assumed::ASSERTION_ISSUED_BEFORE_S);
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({
            "iss": self.client_id,
            "aud": audience,
            "scp": assumed::SCOPE,
            "iat": issued,
            "exp": now_s + assumed::ASSERTION_LIFETIME_S,
        });
        let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let digest = Sha256::digest(message.as_bytes());
        // With random blinding, so that the time it takes tells nothing about the key.
        let signature = self
            .key
            .sign_with_rng(&mut rsa::rand_core::OsRng, Pkcs1v15Sign::new::<Sha256>(), &digest)
            .map_err(|_| Error::new(ErrorKind::Invalid, "the private key cannot sign; have the key regenerated"))?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Reads PKCS#8 or PKCS#1 whatever the label says, with PEM lines or as bare base64, with any line ends: keys of all
/// these forms were handed out.
fn private_key(text: &str) -> Result<RsaPrivateKey> {
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let base64: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    let decoded = STANDARD.decode(&base64).or_else(|_| STANDARD_NO_PAD.decode(base64.trim_end_matches('=')));
    let Ok(der) = decoded else {
        return fail(ErrorKind::Invalid, "its private_key is neither PEM nor base64");
    };
    let key = RsaPrivateKey::from_pkcs8_der(&der).or_else(|_| RsaPrivateKey::from_pkcs1_der(&der));
    key.map_err(|_| Error::new(ErrorKind::Invalid, "its private_key is no RSA key in PKCS#8 or PKCS#1 form"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::pkcs1::EncodeRsaPrivateKey;
    use rsa::pkcs8::EncodePrivateKey;
    use rsa::pkcs8::LineEnding;

    fn key_of_1024_bits() -> RsaPrivateKey {
        RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap()
    }

    fn file(private_key: &str) -> String {
        json!({ "client_id": "7c0e", "private_key": private_key }).to_string()
    }

    #[test]
    fn keys_are_read_in_every_form_they_were_handed_out_in() {
        let key = key_of_1024_bits();
        let pkcs8 = key.to_pkcs8_pem(LineEnding::CRLF).unwrap().to_string();
        let pkcs1 = key.to_pkcs1_pem(LineEnding::LF).unwrap().to_string();
        let bare = STANDARD.encode(key.to_pkcs8_der().unwrap().as_bytes());
        let forms = [
            pkcs8.clone(),
            pkcs1.clone(),
            pkcs8.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
            pkcs1.replace("RSA PRIVATE KEY", "PRIVATE KEY"),
            bare.clone(),
            bare.trim_end_matches('=').to_owned(),
            pkcs8.replace("\r\n", "\\n"),
            format!("  {}  ", pkcs8.replace("\r\n", "\r\n  ")),
        ];
        for form in forms {
            assert!(ClientKey::read(&file(&form)).is_ok_and(|read| read.key == key), "{form}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_quoting_it() {
        for text in ["", "{}", "not-json-s3cret", &file("s3cret"), &file("czNjcmV0")] {
            let error = ClientKey::read(text).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_assertion_has_the_vendors_claims_and_a_good_signature() {
        let key = key_of_1024_bits();
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let jwt = ClientKey::read(&file(&pem)).unwrap().assertion("oidc.imeetcentral.com", 1_000_000).unwrap();
        let parts: Vec<_> = jwt.split('.').collect();
        let decoded = |part: &str| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap());
        assert_eq!(decoded(parts[0]).unwrap(), json!({ "alg": "RS256", "typ": "JWT" }));
        let claims = json!({
            "iss": "7c0e", "aud": "oidc.imeetcentral.com", "scp": "cd.user", "iat": 999_940, "exp": 1_000_300,
        });
        assert_eq!(decoded(parts[1]).unwrap(), claims);
        let digest = Sha256::digest(format!("{}.{}", parts[0], parts[1]));
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        key.to_public_key().verify(Pkcs1v15Sign::new::<Sha256>(), &digest, &signature).unwrap();
    }
}
