//! A body: written once, in pieces, and read by any number of readers, from its beginning, at their own pace.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::watch;

/// Memory that a piece takes beside its bytes. Counted, or a body of one-byte pieces would take forty times its size.
pub(super) const PIECE_OVERHEAD: usize = 64;

/// The bytes that may be held, and are.
pub(super) struct Budget {
    limit: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: AtomicUsize::new(0),
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let enough = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        let (set, get) = (Ordering::AcqRel, Ordering::Acquire);
        self.taken.fetch_update(set, get, enough).ok()?;
        Some(Charge {
            budget: Arc::clone(self),
            bytes,
        })
    }
}

/// Bytes taken from a budget. They return when it is dropped: with the last reader, not with the entry.
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    fn add(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.taken.fetch_sub(bytes, Ordering::AcqRel);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// What readers of a body that has failed get.
#[derive(Debug)]
pub(super) struct BrokenOff;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Written,
    Whole,
    BrokenOff,
}

pub(super) struct Body {
    pieces: RwLock<Pieces>,
    /// Tells readers that there is more, or that there will be no more.
    news: watch::Sender<()>,
}

struct Pieces {
    /// Each with its place in the body. Of a body that slides, the first ones are gone.
    pieces: VecDeque<(usize, Bytes)>,
    /// Bytes written so far.
    length: usize,
    progress: Progress,
    slides: bool,
    charge: Charge,
    /// Of the charge, what no piece takes yet.
    spare: usize,
}

/// What a reader of a body that slides gets at once, at most: more than is written meanwhile, or it would fall behind.
const LARGEST_READ: usize = 1 << 20;

impl Body {
    pub(super) fn new(charge: Charge) -> Self {
        Self {
            pieces: RwLock::new(Pieces {
                pieces: VecDeque::new(),
                length: 0,
                progress: Progress::Written,
                slides: false,
                spare: charge.bytes,
                charge,
            }),
            news: watch::Sender::new(()),
        }
    }

    pub(super) fn length(&self) -> usize {
        self.read().length
    }

    /// Whether it has become too large, and only its end is kept.
    pub(super) fn slides(&self) -> bool {
        self.read().slides
    }

    /// How many bytes of it are in memory.
    pub(super) fn kept(&self) -> usize {
        let pieces = self.read();
        let first = pieces.pieces.front();
        first.map_or(0, |(start, _)| pieces.length - start)
    }

    /// How many bytes must be taken from the budget before a piece of this size can be appended.
    pub(super) fn missing_for(&self, size: usize) -> usize {
        (size + PIECE_OVERHEAD).saturating_sub(self.read().spare)
    }

    pub(super) fn append(&self, data: &[u8], charge: Charge) {
        let mut pieces = self.write();
        pieces.spare += charge.bytes;
        pieces.charge.add(charge);
        pieces.push(data);
        drop(pieces);
        self.news.send_replace(());
    }

    /// Appends to a body that will not be kept: its oldest pieces make room. A reader that has not had them yet is
    /// too slow, and is told that the body broke off. `false` if there is no room even so.
    pub(super) fn slide(&self, data: &[u8]) -> bool {
        let mut pieces = self.write();
        while pieces.spare < data.len() + PIECE_OVERHEAD {
            let Some((_, oldest)) = pieces.pieces.pop_front() else {
                return false;
            };
            pieces.spare += oldest.len() + PIECE_OVERHEAD;
        }
        pieces.push(data);
        drop(pieces);
        self.news.send_replace(());
        true
    }

    pub(super) fn start_sliding(&self) {
        self.write().slides = true;
    }

    pub(super) fn end(&self) {
        self.set(Progress::Whole);
    }

    pub(super) fn break_off(&self) {
        self.set(Progress::BrokenOff);
    }

    /// Only the first end counts.
    fn set(&self, progress: Progress) {
        let mut pieces = self.write();
        if pieces.progress == Progress::Written {
            pieces.progress = progress;
            let spare = std::mem::take(&mut pieces.spare);
            pieces.charge.give_back(spare);
        }
        drop(pieces);
        self.news.send_replace(());
    }

    fn read(&self) -> RwLockReadGuard<'_, Pieces> {
        self.pieces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Pieces> {
        self.pieces.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces {
    fn push(&mut self, data: &[u8]) {
        // Copied: `data` may be a small part of a large read buffer, which it would keep alive.
        let piece = Bytes::copy_from_slice(data);
        self.pieces.push_back((self.length, piece));
        self.length += data.len();
        self.spare = self.spare.saturating_sub(data.len() + PIECE_OVERHEAD);
    }

    /// What there is from `at` on, of one piece. `None` before the first that is still there.
    fn from(&self, at: usize) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        let (start, piece) = self.pieces.get(after.checked_sub(1)?)?;
        let first = piece.slice((at - start).min(piece.len())..);
        if !self.slides {
            return Some(first);
        }
        let mut all = first.to_vec();
        for (_, piece) in self.pieces.iter().skip(after) {
            if all.len() + piece.len() > LARGEST_READ {
                break;
            }
            all.extend_from_slice(piece);
        }
        Some(all.into())
    }
}

/// Reads a body, or a range of it.
pub(super) struct Reader {
    body: Arc<Body>,
    news: watch::Receiver<()>,
    at: usize,
    end: usize,
}

impl Reader {
    pub(super) fn new(body: &Arc<Body>) -> Self {
        Self {
            body: Arc::clone(body),
            news: body.news.subscribe(),
            at: 0,
            end: usize::MAX,
        }
    }

    /// The next thing to read is `start`, and the last is before `end`.
    pub(super) fn move_to(&mut self, start: usize, end: Option<usize>) {
        self.at = start;
        self.end = end.unwrap_or(usize::MAX);
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        loop {
            // Marked as seen before looking, so that what comes after is not missed.
            self.news.borrow_and_update();
            if self.at >= self.end {
                return Ok(None);
            }
            if let Some(result) = self.look() {
                return result;
            }
            // Cannot fail: `self.body` holds the sender.
            if self.news.changed().await.is_err() {
                return Err(BrokenOff);
            }
        }
    }

    /// What can be said now; `None` if the reader has to wait.
    fn look(&mut self) -> Option<Result<Option<Bytes>, BrokenOff>> {
        let pieces = self.body.read();
        if self.at < pieces.length {
            let Some(mut piece) = pieces.from(self.at) else {
                return Some(Err(BrokenOff));
            };
            piece.truncate(self.end - self.at);
            self.at += piece.len();
            return Some(Ok(Some(piece)));
        }
        match pieces.progress {
            Progress::Written => None,
            Progress::Whole => Some(Ok(None)),
            Progress::BrokenOff => Some(Err(BrokenOff)),
        }
    }
}
