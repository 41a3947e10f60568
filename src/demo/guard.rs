//! The middleware in front of every dialect: notes the request, adds the latency, applies faults.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::connection::ConnectionCut;
use super::distort::{self, Distortion};
use super::faults::Fault;
use super::service::Service;

/// The longest a hanging request is held, for clients that never give up.
const HANG_MAX: Duration = Duration::from_secs(600);

pub async fn guard(
    State(service): State<Arc<Service>>,
    ConnectInfo(connection): ConnectInfo<ConnectionCut>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let kind = service.dialect.call_kind(&method, request.uri().path());
    let arrival = service.requests.arrived(method.as_str(), &path, kind, request.headers());
    if !service.latency.is_zero() {
        tokio::time::sleep(service.latency).await;
    }
    let answer = match service.faults.apply(kind, method.as_str(), &path) {
        None => Some(next.run(request).await),
        Some(fault) => {
            arrival.faulted(fault.to_string());
            apply(fault, &service, &connection, &path, request, next).await
        }
    };
    match answer {
        Some(response) => {
            arrival.answered(response.status().as_u16());
            response
        }
        None => {
            connection.0.cancel();
            // Never reaches anybody: the connection is reset when it is written.
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `None`: the connection is to be reset.
async fn apply(
    fault: Fault,
    service: &Service,
    connection: &ConnectionCut,
    path: &str,
    request: Request,
    next: Next,
) -> Option<Response> {
    match fault {
        Fault::Status { status, retry_after_s } => Some(refuse(status, retry_after_s)),
        Fault::Html => {
            Some(Html("<!DOCTYPE html><title>Sign in</title><form>Your session is over.</form>").into_response())
        }
        Fault::Reset => None,
        Fault::Cut => {
            distort::read_half(request).await;
            None
        }
        Fault::Hang => {
            let _ = tokio::time::timeout(HANG_MAX, connection.0.cancelled()).await;
            None
        }
        Fault::Lost => {
            next.run(request).await;
            None
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            Some(next.run(request).await)
        }
        Fault::Truncate => Some(distort::truncate(next.run(request).await)),
        Fault::Drip(pause) => Some(distort::drip(next.run(request).await, pause)),
        Fault::WrongLength => Some(distort::halve(next.run(request).await)),
        Fault::BadJson => Some(distort::cut_json(next.run(request).await).await),
        Fault::Distorted(Distortion::WrongTypes) => {
            Some(distort::change_json(next.run(request).await, distort::wrong_types).await)
        }
        Fault::Distorted(how) => {
            let change = |answer: &mut _| service.dialect.distort(how, path, answer);
            Some(distort::change_json(next.run(request).await, change).await)
        }
    }
}

fn refuse(status: u16, retry_after_s: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, "refused on purpose").into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
