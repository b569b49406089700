//! The five ways to choose a backend, behind one method.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use pingora::{
    protocols::l4::socket::SocketAddr,
    server::Server,
    services::{ServiceHandle, background::background_service},
};
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer,
    discovery::Static,
    health_check::TcpHealthCheck,
    selection::{BackendIter, BackendSelection, Consistent, RoundRobin},
};

use crate::{
    least::{self, LeastConnections},
    p2c::{self, PeakEwma},
    settings::{Algorithm, Settings},
    smooth::SmoothWeighted,
};

/// How far the search for a backend that is up may go. On a ring the same backend comes again and again, and each time
/// counts (pingora-load-balancing, selection/mod.rs, `UniqueIterator`).
const MAX_ITERATIONS: usize = 256;

/// How long a slow answer is remembered.
const DECAY: Duration = Duration::from_secs(10);

/// Chooses. The last two count what is under way, which Pingora's selections are never told: of their load balancer
/// they use the members and their health, and choose by themselves.
pub(crate) enum Balancer {
    RoundRobin(Arc<LoadBalancer<RoundRobin>>),
    Weighted(Arc<LoadBalancer<SmoothWeighted>>),
    Hash(Arc<LoadBalancer<Consistent>>),
    LeastConnections(Arc<LoadBalancer<RoundRobin>>, LeastConnections),
    PowerOfTwo(Arc<LoadBalancer<RoundRobin>>, PeakEwma),
}

/// The backend for a request, and what counts the request as long as it is kept.
pub(crate) enum Picked {
    Plain(Backend),
    Counted(least::Picked),
    Timed(p2c::Picked),
}

impl Balancer {
    /// The balancer that the settings ask for. The service whose handle comes with it runs its health checks.
    pub(crate) fn start(settings: &Settings, server: &mut Server) -> (Self, ServiceHandle) {
        match settings.algorithm {
            Algorithm::RoundRobin => with_health_checks(settings, server, Self::RoundRobin),
            Algorithm::Weighted => with_health_checks(settings, server, Self::Weighted),
            Algorithm::Hash => with_health_checks(settings, server, Self::Hash),
            Algorithm::LeastConnections => with_health_checks(settings, server, |members| {
                Self::LeastConnections(members, LeastConnections::default())
            }),
            Algorithm::PowerOfTwo => with_health_checks(settings, server, |members| {
                Self::PowerOfTwo(members, PeakEwma::new(DECAY))
            }),
        }
    }

    /// The backend for a request with this key, which only a hash looks at; none if all are down.
    pub(crate) fn choose(&self, key: &[u8]) -> Option<Picked> {
        match self {
            Self::RoundRobin(balancer) => balancer.select(key, MAX_ITERATIONS).map(Picked::Plain),
            Self::Weighted(balancer) => balancer.select(key, MAX_ITERATIONS).map(Picked::Plain),
            Self::Hash(balancer) => balancer.select(key, MAX_ITERATIONS).map(Picked::Plain),
            Self::LeastConnections(members, least) => {
                least.choose(members.backends()).map(Picked::Counted)
            }
            Self::PowerOfTwo(members, ewma) => ewma.choose(members.backends()).map(Picked::Timed),
        }
    }

    /// What p2c knows of the latencies, by address; nothing for the others, which do not measure.
    pub(crate) fn latencies(&self) -> HashMap<SocketAddr, Duration> {
        match self {
            Self::PowerOfTwo(_, ewma) => ewma.latencies(),
            _ => HashMap::new(),
        }
    }

    /// The members and their health.
    pub(crate) fn backends(&self) -> &Backends {
        match self {
            Self::RoundRobin(balancer)
            | Self::LeastConnections(balancer, _)
            | Self::PowerOfTwo(balancer, _) => balancer.backends(),
            Self::Weighted(balancer) => balancer.backends(),
            Self::Hash(balancer) => balancer.backends(),
        }
    }
}

impl Picked {
    pub(crate) fn backend(&self) -> &Backend {
        match self {
            Self::Plain(backend) => backend,
            Self::Counted(picked) => &picked.backend,
            Self::Timed(picked) => &picked.backend,
        }
    }

    /// The head of the answer is here.
    pub(crate) fn answered(&mut self) {
        if let Self::Timed(picked) = self {
            picked.answered();
        }
    }
}

/// A load balancer as a service: only then do its health checks run.
fn with_health_checks<S>(
    settings: &Settings,
    server: &mut Server,
    balancer: impl FnOnce(Arc<LoadBalancer<S>>) -> Balancer,
) -> (Balancer, ServiceHandle)
where
    S: BackendSelection<Iter: BackendIter> + Send + Sync + 'static,
{
    let members: BTreeSet<Backend> = settings.backends.clone();
    let mut members = LoadBalancer::<S>::from_backends(Backends::new(Static::new(members)));
    members.set_health_check(TcpHealthCheck::new());
    // Without a frequency there is one round at the start, and never another.
    members.health_check_frequency = Some(settings.health_interval);
    members.parallel_health_check = true;
    let service = background_service("health checks", members);
    let balancer = balancer(service.task());
    (balancer, server.add_service(service))
}
