//! The device grant: for machines without a browser. A person opens an address anywhere and types a code.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{ANSWER_BYTES_MAX, Granted, OAuth, PATIENCE};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::Request;
use crate::person;
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::text_of;

/// Added to the time between two polls when the service asks to slow down (RFC 8628, section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);
/// Longest time between two polls that is taken from an answer.
const POLL_MAX: Duration = Duration::from_secs(60);

/// What a person has to do, and for how long it can be done.
struct Invitation {
    device_code: String,
    user_code: String,
    address: String,
    expires: Duration,
    poll: Duration,
}

impl OAuth {
    pub(super) async fn by_device(&self) -> Result<Granted> {
        let invitation = self.invite().await?;
        let Invitation { user_code, address, expires, .. } = &invitation;
        person::tell(&format!(
            "to sign in {}, open {address} in a browser and enter the code {user_code} (good for {} minutes)",
            self.account,
            expires.as_secs().div_ceil(60)
        ));
        let give_up = Instant::now() + *expires;
        let mut pause = invitation.poll;
        loop {
            tokio::time::sleep(pause).await;
            if Instant::now() >= give_up {
                return fail(ErrorKind::TimedOut, "nobody entered the code in time; try again");
            }
            match self.poll(&invitation.device_code).await? {
                Poll::Granted(granted) => return Ok(granted),
                Poll::Pending => {}
                Poll::SlowDown => pause = (pause + SLOWER_BY).min(POLL_MAX),
            }
        }
    }

    /// `POST /oauth2/v1/device`. Asking twice only makes a second code.
    async fn invite(&self) -> Result<Invitation> {
        let scope = self.lasting_scope();
        let fields = [("response_type", "device_code"), ("scope", &*scope), ("client_id", &*self.client_id)];
        let request = Request::post("device", assumed::DEVICE_PATH).anonymous().repeatable();
        let response = self.client.send(&request.answer_bytes_max(ANSWER_BYTES_MAX).form(&fields)).await?;
        if matches!(response.status.as_u16(), 400 | 401 | 403) {
            return Err(self.refusal(&response, &[]).error);
        }
        let answer: Value = response.checked()?.json()?;
        Invitation::read(&answer)
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the identity service names no code or no address"))
    }

    async fn poll(&self, device_code: &str) -> Result<Poll> {
        let fields = [
            ("grant_type", assumed::DEVICE_GRANT),
            ("device_code", device_code),
            ("client_id", self.client_id.as_str()),
        ];
        match self.ask(&fields).await {
            Ok(Ok(granted)) => Ok(Poll::Granted(granted)),
            Ok(Err(refusal)) => match refusal.code.as_str() {
                "authorization_pending" => Ok(Poll::Pending),
                "slow_down" => Ok(Poll::SlowDown),
                "expired_token" => fail(ErrorKind::TimedOut, "nobody entered the code in time; try again"),
                "access_denied" => fail(ErrorKind::SignedOut, "the sign-in was declined in the browser"),
                _ => Err(refusal.error),
            },
            // The person is still at the browser: a passing fault must not send them back to the start.
            Err(error) if error.is_temporary() => Ok(Poll::Pending),
            Err(error) => Err(error),
        }
    }
}

enum Poll {
    Granted(Granted),
    Pending,
    SlowDown,
}

impl Invitation {
    fn read(answer: &Value) -> Option<Invitation> {
        let text = |field: &str| answer.get(field).and_then(text_of).filter(|text| !text.is_empty());
        let seconds = |field: &str, otherwise: u64| {
            Duration::from_secs(text(field).and_then(|text| text.parse().ok()).unwrap_or(otherwise))
        };
        // They are shown to a person: nothing in them may command a terminal.
        let shown = |text: String| text.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
        Some(Invitation {
            device_code: text("device_code")?,
            user_code: shown(text("user_code")?),
            address: shown(text("verification_uri")?),
            expires: seconds("expires_in", assumed::DEVICE_LIFE_S).min(PATIENCE),
            poll: seconds("interval", assumed::DEVICE_POLL_S).clamp(Duration::from_secs(1), POLL_MAX),
        })
    }
}
