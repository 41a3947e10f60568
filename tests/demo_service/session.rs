//! A client of the demo service that hides nothing.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use collabfs::demo::{DemoOptions, DemoServer};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::{Value, json};

pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Deadline of a whole test.
const DEADLINE: Duration = Duration::from_secs(60);

pub fn http() -> Client {
    // Fails when another test of this process installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let no_redirects = reqwest::redirect::Policy::none();
    Client::builder().redirect(no_redirects).timeout(Duration::from_secs(20)).build().unwrap()
}

/// An empty service on any free port.
pub fn options() -> DemoOptions {
    DemoOptions { seed_samples: false, ..DemoOptions::new("imeet-central") }
}

/// A client of one demo service, signed in.
pub struct Session {
    pub http: Client,
    pub url: String,
    pub token: String,
}

impl Session {
    pub async fn open(server: &DemoServer) -> Session {
        let http = http();
        let answer = request_token(&http, server, &assertion(server.data_dir(), good_claims)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["token_type"], "bearer");
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Session { http, url: server.url().to_owned(), token }
    }

    pub fn call(&self, method: &str, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token)
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.call("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// Every item of a list, page by page.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = format!("{path}?limit=25");
        loop {
            let page = self.json(&next).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["links"]["next"].as_str() {
                Some(address) => next = address.to_owned(),
                None => return items,
            }
        }
    }

    /// The id of the item whose `details.FIELD` is `name`.
    pub async fn id(&self, path: &str, field: &str, name: &str) -> String {
        let items = self.list(path).await;
        let item = items.iter().find(|item| item["details"][field] == name);
        item.unwrap_or_else(|| panic!("no {name} in {path}"))["id"].as_str().unwrap().to_owned()
    }

    /// Workspace `P` and its folder `F`, made by a web user.
    pub async fn folder(&self, server: &DemoServer) -> String {
        let grace = server.web_user("grace");
        grace.create_project("P").unwrap();
        grace.create_folder("P/F").unwrap()
    }

    pub async fn upload(&self, name: &str, bytes: &str) -> String {
        let answer = self.put_bytes("POST", "/v1/files/upload", name, bytes).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.text().await.unwrap()
    }

    pub async fn put_bytes(&self, method: &str, path: &str, name: &str, bytes: &str) -> Response {
        let request = self.call(method, path).header("Content-Disposition", format!("attachment; filename={name}"));
        request.header("Content-Type", "text/plain").body(bytes.to_owned()).send().await.unwrap()
    }

    pub async fn attach(&self, folder: &str, assets: &[&str]) -> Vec<Value> {
        let answer = self.try_attach(&format!("/v1/folders/{folder}/files"), assets).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        answer["responses"].as_array().unwrap().clone()
    }

    pub async fn try_attach(&self, path: &str, assets: &[&str]) -> Response {
        self.call("POST", path).json(&json!({ "deferredAssetIds": assets })).send().await.unwrap()
    }

    /// Uploads and attaches one file, and gives its id.
    pub async fn create(&self, folder: &str, name: &str, bytes: &str) -> String {
        let asset = self.upload(name, bytes).await;
        let responses = self.attach(folder, &[&asset]).await;
        assert_eq!((&responses[0]["requestId"], &responses[0]["status"]), (&json!(asset), &json!(201)));
        responses[0]["body"].as_str().unwrap().to_owned()
    }

    pub async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }
}

pub fn good_claims(client_id: &str, now: u64) -> Value {
    json!({ "iss": client_id, "aud": "oidc.imeetcentral.com", "scp": "cd.user", "iat": now - 60, "exp": now + 300 })
}

/// A signed assertion with the key of this data directory.
pub fn assertion(dir: &Path, claims: impl FnOnce(&str, u64) -> Value) -> String {
    let file: Value = serde_json::from_slice(&std::fs::read(dir.join("client-key.json")).unwrap()).unwrap();
    let pem = file["private_key"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\r\n"), "labelled as in the vendor's sample");
    let key = RsaPrivateKey::from_pkcs8_pem(&pem.replace("RSA PRIVATE", "PRIVATE")).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = claims(file["client_id"].as_str().unwrap(), now);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&json!({ "alg": "RS256", "typ": "JWT" })), encode(&claims));
    let signature = SigningKey::<Sha256>::new(key).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

pub async fn request_token(http: &Client, server: &DemoServer, assertion: &str) -> Response {
    let grant = json!({ "grant_type": GRANT_TYPE, "assertion": assertion });
    http.post(format!("{}/oauth2/token", server.url())).json(&grant).send().await.unwrap()
}

/// Runs a test against a fresh service with a client that signed in, with a deadline.
pub async fn with_service<F: Future<Output = ()>>(options: DemoOptions, test: impl FnOnce(DemoServer, Session) -> F) {
    let run = async {
        let server = DemoServer::start(options).await.unwrap();
        let session = Session::open(&server).await;
        test(server, session).await;
    };
    tokio::time::timeout(DEADLINE, run).await.expect("the test takes too long");
}
