//! What one test has on stage: the proxy, its upstreams, the last exchange. A failure anywhere shows all of it.

use crate::lock;
use crate::message::Message;
use crate::process::Process;
use crate::record::Record;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// One proxy and what surrounds it.
#[derive(Debug)]
pub(crate) struct Scene {
    /// As the check names it: `2-9`.
    pub(crate) exercise: String,
    process: OnceLock<Arc<Process>>,
    upstreams: OnceLock<Vec<Arc<Record>>>,
    last_exchange: Mutex<Option<Arc<Exchange>>>,
}

/// One request of a client and what came back.
#[derive(Debug)]
pub(crate) struct Exchange {
    sent: Mutex<Sent>,
    answer: Mutex<Option<Message>>,
    /// How many requests each upstream had seen when this one began.
    seen_before: Vec<usize>,
}

/// What the client sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) message: Message,
    /// The headers that the check itself asked for.
    pub(crate) by_check: Vec<String>,
}

thread_local! {
    /// The scene that this thread's test made last, for expectations that are not about one of its objects.
    static CURRENT: RefCell<Weak<Scene>> = const { RefCell::new(Weak::new()) };
}

impl Scene {
    pub(crate) fn new(exercise: &str) -> Arc<Self> {
        let scene = Arc::new(Self {
            exercise: exercise.to_owned(),
            process: OnceLock::new(),
            upstreams: OnceLock::new(),
            last_exchange: Mutex::new(None),
        });
        CURRENT.with_borrow_mut(|current| *current = Arc::downgrade(&scene));
        scene
    }

    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Weak::upgrade)
    }

    pub(crate) fn process(&self) -> Option<&Arc<Process>> {
        self.process.get()
    }

    /// Whoever was set first stays: a scene has one proxy.
    pub(crate) fn set_process(&self, process: Arc<Process>) {
        self.process.get_or_init(|| process);
    }

    pub(crate) fn upstreams(&self) -> &[Arc<Record>] {
        self.upstreams.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set_upstreams(&self, upstreams: Vec<Arc<Record>>) {
        self.upstreams.get_or_init(|| upstreams);
    }

    pub(crate) fn last_exchange(&self) -> Option<Arc<Exchange>> {
        lock(&self.last_exchange).clone()
    }

    /// A client is about to send this.
    pub(crate) fn begin(&self, sent: Sent) -> Arc<Exchange> {
        let exchange = Arc::new(Exchange {
            sent: Mutex::new(sent),
            answer: Mutex::new(None),
            seen_before: self
                .upstreams()
                .iter()
                .map(|record| record.count())
                .collect(),
        });
        let before = lock(&self.last_exchange).replace(Arc::clone(&exchange));
        if before.is_none()
            && let Some(process) = self.process()
        {
            process.mark_started();
        }
        exchange
    }
}

impl Exchange {
    pub(crate) fn sent(&self) -> Sent {
        lock(&self.sent).clone()
    }

    /// The client has sent more.
    pub(crate) fn set_sent(&self, sent: Sent) {
        *lock(&self.sent) = sent;
    }

    pub(crate) fn answer(&self) -> Option<Message> {
        lock(&self.answer).clone()
    }

    pub(crate) fn set_answer(&self, answer: Message) {
        *lock(&self.answer) = Some(answer);
    }

    /// How many requests the upstream had seen before.
    pub(crate) fn seen_before(&self, upstream: usize) -> usize {
        self.seen_before.get(upstream).copied().unwrap_or(0)
    }
}
