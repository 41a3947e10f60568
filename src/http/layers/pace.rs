//! Keeps to what a service bears: how many requests at once, and how many in a time. Both are learned from 429 answers
//! where nothing is documented, and slowly tried further afterwards.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqwest::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::{Advice, Error, ErrorKind, Result};
use crate::http::client::{Limits, Rate};
use crate::http::layers::{Layer, Next};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::status::retry_after;
use crate::http::transport::Exchange;

/// Pause after a 429 that does not say for how long.
const PAUSE_UNASKED: Duration = Duration::from_secs(1);
/// Successes after which one more request at a time is tried, and a learned rate is raised a little.
const SUCCESSES_PER_STEP: u32 = 16;
/// The same where the last try to admit so many ended in a 429.
const SUCCESSES_PER_BOLD_STEP: u32 = 500;
/// A 429 so soon after the last pause means a rate, not a passing trouble.
const REPEATED_WITHIN: Duration = Duration::from_secs(60);
/// Fewer requests than this tell nothing about a rate.
const LEARNED_FROM_MIN: usize = 20;
/// A download waits no longer than this for others to end: their readers may have stopped reading.
const DOWNLOAD_WAIT_MAX: Duration = Duration::from_secs(2);
/// Span over which requests are counted for learning a rate, unless the service makes us wait longer.
const WINDOW: Duration = Duration::from_secs(10);
/// Send times kept for that; more requests in the span are as good as no limit.
const SENT_KEPT_MAX: usize = 2048;

pub(crate) struct Pace {
    calls: Gate,
    uploads: Gate,
    downloads: Gate,
    turns: Mutex<Turns>,
    turn_wait_max: Duration,
}

impl Pace {
    /// `turn_wait_max`: how long a request without a deadline waits for its turn.
    pub(crate) fn new(limits: Limits, turn_wait_max: Duration) -> Pace {
        Pace {
            calls: Gate::new(limits.requests_parallel),
            uploads: Gate::new(limits.uploads_parallel),
            downloads: Gate::new(limits.requests_parallel),
            turns: Mutex::new(Turns::new(limits.rate)),
            turn_wait_max,
        }
    }

    fn gate(&self, request: &Request) -> &Gate {
        if request.body.is_file() {
            &self.uploads
        } else if request.is_transfer() {
            &self.downloads
        } else {
            &self.calls
        }
    }

    async fn enter(&self, gate: &Gate) -> Pass {
        if !std::ptr::eq(gate, &self.downloads) {
            return gate.enter().await;
        }
        match tokio::time::timeout(DOWNLOAD_WAIT_MAX, gate.enter()).await {
            Ok(pass) => pass,
            Err(_) => gate.uncounted(),
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Waits for this request's turn. Errors: `RateLimited` when that comes after the deadline.
    async fn wait_for_turn(&self, deadline: Option<Instant>) -> Result<()> {
        let deadline = deadline.unwrap_or_else(|| Instant::now() + self.turn_wait_max);
        let mut turn = self.turns().next_turn(Instant::now());
        loop {
            let now = Instant::now();
            if turn <= now {
                self.turns().note_sent(now);
                return Ok(());
            }
            if turn >= deadline {
                let error =
                    Error::new(ErrorKind::RateLimited, "the service asks to slow down, longer than we may wait");
                return Err(error.with_advice(Advice::AgainAfter(turn - now)));
            }
            tokio::time::sleep_until(turn).await;
            // Meanwhile the service may have asked for a longer pause.
            turn = self.turns().paused_until.unwrap_or(turn);
        }
    }

    fn learn(&self, gate: &Gate, response: &Response) {
        let asked = retry_after(&response.headers, SystemTime::now());
        let now = Instant::now();
        match (response.status, asked) {
            (StatusCode::TOO_MANY_REQUESTS, asked) => {
                let news = self.turns().slow_down(now, asked.unwrap_or(PAUSE_UNASKED));
                if news {
                    gate.halve();
                }
            }
            (StatusCode::SERVICE_UNAVAILABLE, Some(asked)) => self.turns().pause(now + asked),
            (status, _) if !status.is_server_error() => {
                gate.step_up();
                self.turns().speed_up();
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Layer for Pace {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        let gate = self.gate(&exchange.request);
        let pass = self.enter(gate).await;
        self.wait_for_turn(exchange.deadline).await?;
        let mut response = next.send(exchange).await?;
        self.learn(gate, &response);
        // A download counts until its last byte came.
        response.watch_body(move |_| {
            let _held = &pass;
        });
        Ok(response)
    }
}

/// Admits so many at a time; the number can be changed while they are inside.
struct Gate {
    permits: Arc<Semaphore>,
    size: Arc<Mutex<GateSize>>,
    size_max: usize,
}

struct GateSize {
    size: usize,
    /// Permits to be taken away when their holders leave.
    surplus: usize,
    successes: u32,
    /// At this size the service last said that it is too much.
    too_many: Option<usize>,
}

/// Being inside a gate.
struct Pass {
    permit: Option<OwnedSemaphorePermit>,
    size: Arc<Mutex<GateSize>>,
}

impl Gate {
    fn new(size_max: usize) -> Gate {
        let size_max = size_max.max(1);
        let size = GateSize { size: size_max, surplus: 0, successes: 0, too_many: None };
        Gate { permits: Arc::new(Semaphore::new(size_max)), size: Arc::new(Mutex::new(size)), size_max }
    }

    async fn enter(&self) -> Pass {
        // The semaphore is never closed.
        let permit = self.permits.clone().acquire_owned().await.ok();
        Pass { permit, size: self.size.clone() }
    }

    fn uncounted(&self) -> Pass {
        Pass { permit: None, size: self.size.clone() }
    }

    fn halve(&self) {
        let mut size = self.size.lock().unwrap_or_else(|e| e.into_inner());
        let less = size.size / 2;
        size.too_many = Some(size.size);
        size.size -= less;
        size.successes = 0;
        size.surplus += less - self.permits.forget_permits(less);
    }

    fn step_up(&self) {
        let mut size = self.size.lock().unwrap_or_else(|e| e.into_inner());
        size.successes += 1;
        let bold = size.too_many.is_some_and(|too_many| size.size + 1 >= too_many);
        let needed = if bold { SUCCESSES_PER_BOLD_STEP } else { SUCCESSES_PER_STEP };
        if size.successes < needed || size.size >= self.size_max {
            return;
        }
        if bold {
            size.too_many = None;
        }
        size.successes = 0;
        size.size += 1;
        match size.surplus {
            0 => self.permits.add_permits(1),
            _ => size.surplus -= 1,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut size = self.size.lock().unwrap_or_else(|e| e.into_inner());
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus -= 1;
            permit.forget();
        }
    }
}

/// Hands out points in time: a bucket of `burst` turns that fills by one every `interval`.
struct Turns {
    /// `None`: no rate is known.
    bucket: Option<Bucket>,
    paused_until: Option<Instant>,
    sent: VecDeque<Instant>,
}

struct Bucket {
    interval: Duration,
    /// What the interval was when it was learned; at a quarter of it the limit is forgotten.
    interval_learned: Duration,
    burst: u32,
    /// When the next turn would be if the bucket had no burst.
    next: Option<Instant>,
    successes: u32,
    /// A documented rate is kept, a learned one is tried further.
    documented: bool,
}

impl Turns {
    fn new(rate: Option<Rate>) -> Turns {
        let bucket = rate.map(|rate| Bucket::within(rate, true));
        Turns { bucket, paused_until: None, sent: VecDeque::new() }
    }

    /// When the next request may go.
    fn next_turn(&mut self, now: Instant) -> Instant {
        let paused = self.paused_until.filter(|until| *until > now);
        let free = self.bucket.as_mut().map_or(now, |bucket| bucket.take(now));
        free.max(paused.unwrap_or(now))
    }

    fn note_sent(&mut self, now: Instant) {
        if self.sent.len() == SENT_KEPT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }

    /// After a 429: pause, and when it is not the first one stay below what was just too much. Tells whether it is news.
    fn slow_down(&mut self, now: Instant, asked: Duration) -> bool {
        let last_pause = self.paused_until;
        self.pause(now + asked);
        if last_pause.is_some_and(|until| until > now) {
            // Another answer to the same burst.
            return false;
        }
        let repeated = last_pause.is_some_and(|until| now < until + REPEATED_WITHIN);
        let window = WINDOW.max(asked);
        let counted_from = now.checked_sub(window).max(last_pause);
        let requests = self.sent.iter().filter(|at| Some(**at) >= counted_from).count();
        let documented = self.bucket.as_ref().is_some_and(|bucket| bucket.documented);
        if repeated && requests >= LEARNED_FROM_MIN && !documented {
            self.bucket = Some(Bucket::within(Rate { requests: requests as u32, per: window }, false));
        }
        true
    }

    fn speed_up(&mut self) {
        let Some(bucket) = self.bucket.as_mut().filter(|bucket| !bucket.documented) else { return };
        bucket.successes += 1;
        if bucket.successes >= SUCCESSES_PER_STEP {
            bucket.successes = 0;
            bucket.interval = bucket.interval.mul_f64(0.9);
        }
        if bucket.interval < bucket.interval_learned / 4 {
            self.bucket = None;
        }
    }
}

impl Bucket {
    /// A bucket that never gives more than the rate's requests in any of its spans: burst and refill share them.
    fn within(rate: Rate, documented: bool) -> Bucket {
        let requests = rate.requests.max(2);
        let burst = (requests / 4).max(1);
        let interval = rate.per / (requests - burst);
        Bucket { interval, interval_learned: interval, burst, next: None, successes: 0, documented }
    }

    fn take(&mut self, now: Instant) -> Instant {
        let credit = self.interval * (self.burst - 1);
        let earliest = now.checked_sub(credit).unwrap_or(now);
        let slot = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(slot + self.interval);
        slot.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn most_in_any_span(turns: &[Instant], per: Duration) -> usize {
        let in_span = |from: &Instant| turns.iter().filter(|t| *t >= from && **t < *from + per).count();
        turns.iter().map(in_span).max().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_documented_rate_is_kept_in_every_span() {
        let rate = Rate { requests: 50, per: Duration::from_secs(10) };
        let pace = Pace::new(Limits { requests_parallel: 4, uploads_parallel: 1, rate: Some(rate) }, LONG);
        let mut turns = Vec::new();
        for _ in 0..200 {
            pace.wait_for_turn(None).await.unwrap();
            turns.push(Instant::now());
        }
        assert!(most_in_any_span(&turns, rate.per) <= 50);
        assert!(turns[199] - turns[0] < Duration::from_secs(60), "and is made use of");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_second_429_requests_stay_below_what_was_too_much() {
        let pace = Pace::new(Limits::default(), LONG);
        let mut start = Instant::now();
        for _ in 0..2 {
            for _ in 0..20 {
                pace.wait_for_turn(None).await.unwrap();
            }
            start = Instant::now();
            assert!(pace.turns().slow_down(start, Duration::from_secs(5)));
            assert!(!pace.turns().slow_down(start, Duration::from_secs(5)), "the same burst");
        }
        let mut turns = Vec::new();
        for _ in 0..30 {
            pace.wait_for_turn(None).await.unwrap();
            turns.push(Instant::now());
        }
        assert!(turns[0] - start >= Duration::from_secs(5));
        assert!(most_in_any_span(&turns, WINDOW) <= 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_429_slows_nobody_down_afterwards() {
        let pace = Pace::new(Limits::default(), LONG);
        pace.turns().slow_down(Instant::now(), Duration::from_secs(1));
        let start = Instant::now();
        for _ in 0..100 {
            pace.wait_for_turn(None).await.unwrap();
        }
        assert_eq!(Instant::now() - start, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_stops_reading_does_not_stop_other_downloads() {
        let pace = Pace::new(Limits { requests_parallel: 1, ..Limits::default() }, LONG);
        let _stopped = pace.enter(&pace.downloads).await;
        let start = Instant::now();
        pace.enter(&pace.downloads).await;
        assert_eq!(Instant::now() - start, DOWNLOAD_WAIT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_after_the_deadline_is_an_error_at_once() {
        let pace = Pace::new(Limits::default(), LONG);
        let start = Instant::now();
        pace.turns().pause(start + Duration::from_secs(60));
        let error = pace.wait_for_turn(Some(start + Duration::from_secs(30))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.advice(), Advice::AgainAfter(Duration::from_secs(60)));
        assert_eq!(Instant::now(), start);
    }

    #[tokio::test(start_paused = true)]
    async fn a_halved_gate_admits_half_even_with_everybody_inside() {
        let gate = Gate::new(8);
        let inside = futures::future::join_all((0..8).map(|_| gate.enter())).await;
        gate.halve();
        drop(inside);
        assert_eq!(gate.permits.available_permits(), 4);
        for _ in 0..SUCCESSES_PER_STEP * 10 {
            gate.step_up();
        }
        assert_eq!(gate.permits.available_permits(), 7, "just below what was too much");
        for _ in 0..SUCCESSES_PER_BOLD_STEP {
            gate.step_up();
        }
        assert_eq!(gate.permits.available_permits(), 8);
    }
}
