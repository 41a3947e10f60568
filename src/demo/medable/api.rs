//! The routes, and what every handler needs.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::keys::Keys;
use super::{ORG, auth, changes, files, listing, objects};
use crate::demo::moment::now_ms;
use crate::demo::node::{Kind, Node};
use crate::demo::service::Service;

pub struct Api {
    pub service: Arc<Service>,
    pub keys: Keys,
}

pub fn router(service: Arc<Service>, keys: Keys) -> Router {
    let api = Arc::new(Api { service, keys });
    let signed_in = Router::new()
        .route("/accounts/me", get(auth::whoami))
        .route("/accounts/me/logout", post(auth::logout))
        .route("/{object}", get(listing::list).post(changes::create))
        .route("/{object}/{id}", get(listing::one).put(changes::change).delete(changes::delete))
        .route("/{object}/{id}/{property}", get(files::property).put(files::write))
        .route("/{object}/{id}/{property}/refresh", put(files::refresh))
        .route("/{object}/{id}/{property}/{facet}", get(files::facet))
        .fallback(|| async { Fault::new(404, "kNotFound", "no such route") })
        .layer(from_fn_with_state(api.clone(), auth::require_account));
    let v2 = Router::new().route("/accounts/login", post(auth::login)).merge(signed_in).with_state(api);
    Router::new().nest(&format!("/{ORG}/v2"), v2).layer(map_response(with_server_time))
}

async fn with_server_time(mut response: Response) -> Response {
    response.headers_mut().insert("medable-server-time", HeaderValue::from(now_ms()));
    response
}

impl Api {
    /// The live node of this object and id.
    pub fn find(&self, object: &str, id: &str) -> Result<Node, Fault> {
        let kind = objects::kind_of(object)?;
        self.live(kind, id).ok_or_else(Fault::not_found)
    }

    pub fn live(&self, kind: Kind, id: &str) -> Option<Node> {
        self.service.store.get(objects::parse(kind, id)?).filter(|node| node.kind == kind)
    }

    /// The file whose File property is addressed.
    pub fn find_file(&self, object: &str, id: &str, property: &str) -> Result<Node, Fault> {
        let node = self.find(object, id)?;
        if node.kind != Kind::File || property != objects::CONTENT {
            return Err(Fault::argument(format!("{object} has no property {property}")));
        }
        Ok(node)
    }
}

/// A JSON body that says so.
pub struct Body(pub Value);

impl Body {
    pub fn object(self) -> Result<Map<String, Value>, Fault> {
        match self.0 {
            Value::Object(members) => Ok(members),
            _ => Err(Fault::argument("the body must be an object")),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_none_or(|text| !text.starts_with("application/json")) {
            return Err(Fault::argument("Content-Type must be application/json"));
        }
        let Json(body) =
            Json::<Value>::from_request(request, state).await.map_err(|e| Fault::argument(e.body_text()))?;
        Ok(Body(body))
    }
}
