mod store;
fn main() {
    let store: &'static store::Store = Box::leak(Box::new(store::Store::new(1)));
    let _: &'static (dyn pingora_cache::Storage + Sync) = store;
}
