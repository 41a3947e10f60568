//! Where a call runs and how long its caller waits.
//!
//! A call is polled once on the kernel's thread: what is in memory is answered there and then. What has to wait goes
//! to the runtime, together with its reply. Every caller gets an answer within the deadline, and a panic costs one
//! call, not the mount: an unwinding handler would end the whole session.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fuser::Errno;
use futures::FutureExt;
use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};
use crate::fuse::errno::errno;
use crate::fuse::failures::Failures;
use crate::ids::Ino;

/// What is being done to what; for the log.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub name: &'static str,
    pub ino: Ino,
}

/// Runs calls of one mount.
pub struct Calls {
    runtime: Handle,
    deadline: Duration,
    failures: Arc<Failures>,
}

/// What becomes of the work when its caller was told that the time is over.
enum AfterDeadline<T> {
    /// Only the answer mattered.
    Drop,
    /// It must take effect all the same; its late result is handed over for tidying up.
    Finish(Box<dyn FnOnce(T) + Send>),
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

impl Calls {
    /// `deadline`: the longest time a caller waits.
    pub fn new(runtime: Handle, deadline: Duration) -> Calls {
        Calls { runtime, deadline, failures: Arc::default() }
    }

    /// A call that only asks: dropped when its caller has waited long enough.
    pub fn ask<T: Send + 'static>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T>> + Send + 'static,
        reply: impl FnOnce(std::result::Result<T, Errno>) + Send + 'static,
    ) {
        self.run(call, work, AfterDeadline::Drop, reply);
    }

    /// A call that changes something: goes on after its caller gave up waiting.
    pub fn change<T: Send + 'static>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T>> + Send + 'static,
        reply: impl FnOnce(std::result::Result<T, Errno>) + Send + 'static,
    ) {
        self.run(call, work, AfterDeadline::Finish(Box::new(drop)), reply);
    }

    /// A call whose result holds something that must be given back when nobody waits for it any more.
    pub fn open<T: Send + 'static>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T>> + Send + 'static,
        give_back: impl FnOnce(T) + Send + 'static,
        reply: impl FnOnce(std::result::Result<T, Errno>) + Send + 'static,
    ) {
        self.run(call, work, AfterDeadline::Finish(Box::new(give_back)), reply);
    }

    fn run<T: Send + 'static>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T>> + Send + 'static,
        after: AfterDeadline<T>,
        reply: impl FnOnce(std::result::Result<T, Errno>) + Send + 'static,
    ) {
        let mut work: Work<T> =
            Box::pin(AssertUnwindSafe(work).catch_unwind().map(|end| end.unwrap_or_else(|panic| Err(bug(&*panic)))));
        // Timers and sockets made during the first poll need the runtime they will live in.
        let _in_runtime = self.runtime.enter();
        let failures = self.failures.clone();
        // The noop waker loses nothing: the task that takes over polls at once and leaves its own.
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => failures.answer(call, result, reply),
            Poll::Pending => drop(self.runtime.spawn(wait(call, work, self.deadline, after, reply, failures))),
        }
    }

    /// Runs what is not a future: a panic becomes a line in the log.
    pub fn guarded(&self, call: Call, work: impl FnOnce()) {
        self.failures.guarded(call, work);
    }
}

async fn wait<T>(
    call: Call,
    mut work: Work<T>,
    deadline: Duration,
    after: AfterDeadline<T>,
    reply: impl FnOnce(std::result::Result<T, Errno>),
    failures: Arc<Failures>,
) {
    if let Ok(result) = tokio::time::timeout(deadline, &mut work).await {
        return failures.answer(call, result, reply);
    }
    let too_late = Error::new(ErrorKind::TimedOut, format!("no answer within {} s", deadline.as_secs_f32()));
    failures.answer(call, Err(too_late), reply);
    if let AfterDeadline::Finish(tidy) = after {
        match work.await {
            Ok(late) => tidy(late),
            Err(e) => failures.say(call, &e),
        }
    }
}

impl Failures {
    fn answer<T>(&self, call: Call, result: Result<T>, reply: impl FnOnce(std::result::Result<T, Errno>)) {
        let result = result.map_err(|e| {
            self.say(call, &e);
            errno(e.kind())
        });
        // A reply that is dropped while unwinding answers EIO by itself.
        self.guarded(call, || reply(result));
    }

    fn guarded(&self, call: Call, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.say(call, &bug(&*panic));
        }
    }
}

fn bug(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(ErrorKind::Bug, format!("a fault of this program, please report it: {}", said.unwrap_or("no message")))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{ThreadId, current};

    use super::*;

    const CALL: Call = Call { name: "test", ino: Ino::ROOT };
    /// Far more than any of these answers takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    type Answer = (std::result::Result<u32, i32>, ThreadId);

    fn eio() -> i32 {
        errno(ErrorKind::TimedOut).code()
    }

    struct Bench {
        runtime: tokio::runtime::Runtime,
        calls: Calls,
    }

    fn bench(deadline: Duration) -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let calls = Calls::new(runtime.handle().clone(), deadline);
        Bench { runtime, calls }
    }

    fn recorder() -> (impl FnOnce(std::result::Result<u32, Errno>) + Send + 'static, Receiver<Answer>) {
        let (answers, received) = channel();
        let reply = move |r: std::result::Result<u32, Errno>| {
            answers.send((r.map_err(|e| e.code()), current().id())).unwrap();
        };
        (reply, received)
    }

    #[test]
    fn what_is_in_memory_is_answered_on_the_callers_thread() {
        let bench = bench(PATIENCE);
        let (reply, received) = recorder();
        bench.calls.ask(CALL, async { Ok(7) }, reply);
        assert_eq!(received.try_recv().unwrap(), (Ok(7), current().id()));
    }

    #[test]
    fn what_has_to_wait_goes_to_the_runtime_with_its_reply() {
        let bench = bench(PATIENCE);
        let (reply, received) = recorder();
        let work = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(7)
        };
        bench.calls.ask(CALL, work, reply);
        let (result, thread) = received.recv_timeout(PATIENCE).unwrap();
        assert_eq!(result, Ok(7));
        assert_ne!(thread, current().id());
    }

    /// The first poll's waker does nothing: an event between that poll and the task's must not be lost.
    #[test]
    fn an_event_right_after_the_first_poll_is_not_missed() {
        let bench = bench(PATIENCE);
        for _ in 0..200 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let (reply, received) = recorder();
            bench.calls.ask(CALL, async { Ok(receiver.await.unwrap()) }, reply);
            sender.send(7).unwrap();
            assert_eq!(received.recv_timeout(PATIENCE).unwrap().0, Ok(7));
        }
    }

    #[test]
    fn a_caller_gets_an_error_at_the_deadline_and_a_question_is_dropped() {
        let bench = bench(Duration::from_millis(20));
        let (reply, received) = recorder();
        let (dropped, was_dropped) = channel::<()>();
        let work = async move {
            let _until_dropped = dropped;
            std::future::pending::<Result<u32>>().await
        };
        bench.calls.ask(CALL, work, reply);
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().0, Err(eio()));
        was_dropped.recv_timeout(PATIENCE).unwrap_err();
    }

    #[test]
    fn a_change_goes_on_after_its_caller_gave_up() {
        let bench = bench(Duration::from_millis(20));
        let (reply, received) = recorder();
        let (go, may_go) = tokio::sync::oneshot::channel::<()>();
        let (done, was_done) = channel();
        let work = async move {
            may_go.await.unwrap();
            done.send(()).unwrap();
            Ok(1)
        };
        bench.calls.change(CALL, work, reply);
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().0, Err(eio()));
        go.send(()).unwrap();
        was_done.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_handle_opened_too_late_is_given_back() {
        let bench = bench(Duration::from_millis(20));
        let (reply, received) = recorder();
        let (go, may_go) = tokio::sync::oneshot::channel::<()>();
        let (back, given_back) = channel();
        let work = async move {
            may_go.await.unwrap();
            Ok(42)
        };
        bench.calls.open(CALL, work, move |handle| back.send(handle).unwrap(), reply);
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().0, Err(eio()));
        go.send(()).unwrap();
        assert_eq!(given_back.recv_timeout(PATIENCE).unwrap(), 42);
    }

    #[test]
    fn a_panic_costs_one_call_wherever_it_happens() {
        let bench = bench(PATIENCE);
        let (reply, received) = recorder();
        bench.calls.ask(CALL, async { panic!("at once") }, reply);
        assert_eq!(received.try_recv().unwrap().0, Err(eio()));

        let (reply, received) = recorder();
        let work = async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        bench.calls.ask(CALL, work, reply);
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().0, Err(eio()));

        bench.calls.ask(CALL, async { Ok(()) }, |_| panic!("in the reply"));
        drop(bench.runtime);
    }
}
