//! A storage for pingora-cache that is bounded: in memory, by bytes, least recently used first out.
//!
//! Pingora's own `MemCache` says of itself that it is for testing. This one differs where it matters:
//!
//! - It never holds more bytes than its limit, bodies on their way in and out included.
//! - A body can be read while it is written. One that breaks off is never found again, and who reads it is told.
//! - PURGE takes all variants of a response along, and a response that is still on its way in is not stored after it.
//! - An update of what was purged meanwhile does nothing, where `MemCache` panics.
//!
//! `body` is what is written and read, `table` finds it and throws out, and this file is what Pingora calls.

mod body;
mod table;

use std::{any::Any, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::{Error, ErrorType::InternalError, Result};
use pingora_cache::{
    CacheKey, CacheMeta, HitHandler, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage,
    key::CacheHashKey,
    storage::{HandleHit, HandleMiss, MissFinishType, streaming_write::U64WriteId},
    trace::SpanHandle,
};

use body::{Body, Reader};
use table::{Entry, Slot, Table};

/// Memory that an entry takes beside its header and body: map nodes, allocations, the serialized times.
const ENTRY_OVERHEAD: usize = 1024;
/// What is set aside for a body of unknown length, so that it can at least be passed on piece by piece.
const RESERVE: usize = 128 * 1024;
/// What is kept of a body that turned out to be too large, for readers that are behind.
const WINDOW: usize = 2 << 20;

/// Responses in memory, at most `limit` bytes of them.
pub(crate) struct Store {
    table: Arc<Table>,
}

impl Store {
    /// Holds `limit` bytes at most. One response may take an eighth of it: a large one would push out many small ones.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            table: Arc::new(Table::new(limit, limit / 8)),
        }
    }

    /// How many bytes it holds now.
    #[allow(dead_code, reason = "the demo does not ask, exercise 6.8 does")]
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

#[async_trait]
impl Storage for Store {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.table.find(&slot(key)).map(|it| hit(&it)).transpose()
    }

    /// The reader of the very response that this request writes. It is found even if it was purged in between:
    /// Pingora panics if it is not (pingora-cache, lib.rs, `set_miss_handler`).
    async fn lookup_streaming_write(
        &'static self,
        _key: &CacheKey,
        tag: Option<&[u8]>,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let id = tag.and_then(|tag| U64WriteId::try_from(tag).ok());
        let entry = id.and_then(|id| self.table.find_fill(id.into()));
        entry.map(|entry| hit(&entry)).transpose()
    }

    /// An error here is no harm: Pingora then passes the response on without storing it.
    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let slot = slot(key);
        let length = content_length(meta);
        if length.is_some_and(|length| length > self.table.largest)
            || self.table.is_too_large(&slot)
        {
            return refuse("the response is too large to be stored");
        }
        let serialized = meta.serialize()?;
        let head = ENTRY_OVERHEAD + serialized.0.len() + serialized.1.len();
        let reserve = length.map_or(RESERVE, |length| length + body::PIECE_OVERHEAD);
        let (Some(head), Some(reserve)) = (self.table.take(head), self.table.take(reserve)) else {
            return refuse("all memory is taken by responses that are on their way");
        };
        let body = Arc::new(Body::new(reserve));
        let id = self
            .table
            .begin(&slot, Entry::new(serialized, head, Arc::clone(&body)));
        Ok(Box::new(Writer {
            table: Arc::clone(&self.table),
            slot,
            id,
            tag: id.into(),
            body,
        }))
    }

    /// Without a variance, all variants go. What is still on its way in is passed on to who reads it, but not stored.
    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let key = target.key();
        let found = match key.variance_bin() {
            None => self.table.remove_all(&key.primary_bin()),
            variance => self.table.remove(&Slot {
                primary: key.primary_bin(),
                variance,
            }),
        };
        Ok(match found {
            true => PurgeOutcome::Purged(None),
            false => PurgeOutcome::NotFound,
        })
    }

    /// `false` if the response was purged, or thrown out, while it was validated.
    async fn update_meta(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<bool> {
        let serialized = meta.serialize()?;
        let head = ENTRY_OVERHEAD + serialized.0.len() + serialized.1.len();
        match self.table.take(head) {
            Some(head) => Ok(self.table.update(&slot(key), serialized, head)),
            None => refuse("all memory is taken by responses that are on their way"),
        }
    }

    /// With this, Pingora lets waiting requests go as soon as the header is there, and reads the body from here for
    /// the request that brought it too.
    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// Writes one response. Dropped before `finish`, it has failed.
struct Writer {
    table: Arc<Table>,
    slot: Slot,
    id: u64,
    tag: U64WriteId,
    body: Arc<Body>,
}

#[async_trait]
impl HandleMiss for Writer {
    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        if !data.is_empty() && !self.write(&data) {
            return refuse("no memory is left for the rest of the response");
        }
        if end {
            self.body.end();
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.body.end();
        self.table.commit(&self.slot, self.id);
        Ok(MissFinishType::Created(self.body.length()))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.tag.as_bytes())
    }
}

impl Writer {
    fn write(&self, data: &[u8]) -> bool {
        if self.body.length() + data.len() > self.table.largest {
            self.give_up();
        }
        let room = !self.body.slides() || self.body.kept() < WINDOW;
        if room && let Some(charge) = self.table.take(self.body.missing_for(data.len())) {
            self.body.append(data, charge);
            return true;
        }
        self.give_up();
        self.body.slide(data)
    }

    /// It is too large. Nobody finds it from now on; who reads it already gets the rest as it comes.
    fn give_up(&self) {
        if !self.body.slides() {
            self.table.give_up(&self.slot, self.id);
            self.body.start_sliding();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Does nothing after `finish`.
        self.body.break_off();
        self.table.forget_fill(&self.slot, self.id);
    }
}

#[async_trait]
impl HandleHit for Reader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        match self.next().await {
            Ok(piece) => Ok(piece),
            // The client's connection ends before the body does, which is the honest answer.
            Err(body::BrokenOff) => Error::e_explain(InternalError, "the stored body broke off"),
        }
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    /// For ranges. Also in a body that is still written: the reader waits for its place.
    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.move_to(start, end);
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

fn slot(key: &CacheKey) -> Slot {
    Slot {
        primary: key.primary_bin(),
        variance: key.variance_bin(),
    }
}

fn hit(entry: &Entry) -> Result<(CacheMeta, HitHandler)> {
    let meta = CacheMeta::deserialize(&entry.meta.0, &entry.meta.1)?;
    Ok((meta, Box::new(Reader::new(&entry.body))))
}

fn content_length(meta: &CacheMeta) -> Option<usize> {
    let length = meta.headers().get(http::header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn refuse<T>(why: &'static str) -> Result<T> {
    Error::e_explain(InternalError, why)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use pingora::http::ResponseHeader;
    use pingora_cache::trace::Span;

    use super::*;

    fn store(limit: usize) -> &'static Store {
        Box::leak(Box::new(Store::new(limit)))
    }

    fn key(name: &str, variance: Option<u8>) -> CacheKey {
        let mut key = CacheKey::new(name, "");
        if let Some(byte) = variance {
            key.set_variance_key([byte; 16]);
        }
        key
    }

    fn meta() -> CacheMeta {
        let header = ResponseHeader::build(200, None).unwrap();
        let now = SystemTime::now();
        CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, header)
    }

    async fn begin(store: &'static Store, key: &CacheKey) -> MissHandler {
        let span = Span::inactive().handle();
        store.get_miss_handler(key, &meta(), &span).await.unwrap()
    }

    async fn fill(store: &'static Store, key: &CacheKey, size: usize) {
        let mut writer = begin(store, key).await;
        writer
            .write_body(vec![b'x'; size].into(), true)
            .await
            .unwrap();
        writer.finish().await.unwrap();
    }

    async fn find(store: &'static Store, key: &CacheKey) -> Option<HitHandler> {
        let found = store.lookup(key, &Span::inactive().handle()).await.unwrap();
        found.map(|(_, reader)| reader)
    }

    async fn purge(store: &'static Store, key: &CacheKey) -> bool {
        let (key, span) = (key.to_compact(), Span::inactive().handle());
        let target = PurgeTarget::Active(&key);
        let outcome = store.purge(target, PurgeType::Invalidation, &span).await;
        outcome.unwrap() != PurgeOutcome::NotFound
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first() {
        let store = store(1 << 20);
        for name in 0..12 {
            // Nine of these fit.
            fill(store, &key(&name.to_string(), None), 110_000).await;
            find(store, &key("0", None)).await;
        }

        assert!(find(store, &key("0", None)).await.is_some());
        assert!(find(store, &key("1", None)).await.is_none());
        assert!(find(store, &key("11", None)).await.is_some());
    }

    #[tokio::test]
    async fn a_purge_takes_all_variants_and_what_is_on_its_way() {
        let store = store(1 << 20);
        fill(store, &key("a", None), 10).await;
        fill(store, &key("a", Some(1)), 10).await;
        let writer = begin(store, &key("a", Some(2))).await;
        fill(store, &key("b", None), 10).await;

        assert!(purge(store, &key("a", None)).await);
        writer.finish().await.unwrap();

        for variance in [None, Some(1), Some(2)] {
            assert!(find(store, &key("a", variance)).await.is_none());
        }
        assert!(find(store, &key("b", None)).await.is_some());
        assert!(!purge(store, &key("a", None)).await);
    }

    #[tokio::test]
    async fn an_update_of_what_was_purged_does_nothing() {
        let store = store(1 << 20);
        fill(store, &key("a", None), 10).await;
        purge(store, &key("a", None)).await;

        let span = Span::inactive().handle();
        let updated = store.update_meta(&key("a", None), &meta(), &span).await;
        assert!(!updated.unwrap());
        assert!(find(store, &key("a", None)).await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_found_and_its_readers_are_told() {
        let store = store(1 << 20);
        let mut writer = begin(store, &key("a", None)).await;
        writer.write_body("half".into(), false).await.unwrap();
        let mut reader = find(store, &key("a", None)).await.unwrap();
        drop(writer);

        assert_eq!(reader.read_body().await.unwrap().unwrap(), "half");
        assert!(reader.read_body().await.is_err());
        assert!(find(store, &key("a", None)).await.is_none());
    }

    #[tokio::test]
    async fn a_range_is_read_while_the_body_is_written() {
        let store = store(1 << 20);
        let mut writer = begin(store, &key("a", None)).await;
        let mut reader = find(store, &key("a", None)).await.unwrap();
        reader.seek(6, Some(9)).unwrap();
        writer.write_body("hello ".into(), false).await.unwrap();
        writer.write_body("world".into(), true).await.unwrap();

        assert_eq!(reader.read_body().await.unwrap().unwrap(), "wor");
        assert!(reader.read_body().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_too_large_is_passed_on_and_not_tried_again() {
        let store = store(1 << 20);
        let span = Span::inactive().handle();
        let mut writer = begin(store, &key("a", None)).await;
        let mut reader = find(store, &key("a", None)).await.unwrap();
        for _ in 0..100 {
            writer
                .write_body(vec![b'x'; 10_000].into(), false)
                .await
                .unwrap();
            assert_eq!(reader.read_body().await.unwrap().unwrap().len(), 10_000);
        }
        writer.finish().await.unwrap();

        assert!(reader.read_body().await.unwrap().is_none());
        assert!(find(store, &key("a", None)).await.is_none());
        let again = store
            .get_miss_handler(&key("a", None), &meta(), &span)
            .await;
        assert!(again.is_err());
    }

    #[tokio::test]
    async fn all_memory_comes_back() {
        let store = store(1 << 20);
        let mut readers = Vec::new();
        for name in 0..50 {
            let key = key(&name.to_string(), Some(1));
            fill(store, &key, 100_000).await;
            if name % 10 == 0 {
                // What is read stays in memory, and counts, also after it was purged.
                readers.extend(find(store, &key).await);
                purge(store, &key).await;
            }
        }
        assert!(store.table.take(600_000).is_none());
        drop(readers);

        assert!(store.table.take(1 << 20).is_some());
    }
}
