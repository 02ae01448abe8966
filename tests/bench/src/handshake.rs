//! What TLS itself costs on the link: all bytes of TCP less those of HTTP, for a first connection and for one after a cut.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daftar_device::sync::{HttpTransport, Transport, run};
use daftar_device::{Device, Store};
use daftar_tests::device::PIN;

use crate::RUNS;
use crate::figures::{Figures, Row};
use crate::linked::Linked;
use crate::memory::runtime;

/// Up and down.
type Pair = (f64, f64);

/// One sync with nothing new; gives what TLS added, and what HTTP came to.
async fn one(store: &Arc<Store>, transport: &HttpTransport, hq: &Linked) -> (Pair, Pair) {
    let (tcp, http) = (hq.counted(), transport.counted());
    run(store, transport, &|_| {}).await.expect("the exchange finishes");
    // Tickets come after the answer's end: they are the handshake's too.
    tokio::time::sleep(Duration::from_millis(100)).await;
    hq.link.cut_all();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (tcp_after, http_after) = (hq.counted(), transport.counted());
    let http = ((http_after.0 - http.0) as f64, (http_after.1 - http.1) as f64);
    (((tcp_after.0 - tcp.0) as f64 - http.0, (tcp_after.1 - tcp.1) as f64 - http.1), http)
}

/// Measures both connections.
pub fn measure(dir: &Path, figures: &mut Figures) {
    eprintln!("── handshake");
    let hq = Linked::new(dir, "handshake");
    let home = hq.device("aziz").home;
    let device = Device::open(&home).expect("the home opens");
    let store = Arc::new(device.unlock("aziz", PIN).expect("the PIN is right"));
    let (mut full, mut second, mut http) = (Vec::new(), Vec::new(), Vec::new());
    runtime().block_on(async {
        for _ in 0..RUNS {
            let transport = HttpTransport::new(store.device()).expect("a link is prepared");
            let (tls, above) = one(&store, &transport, &hq).await;
            full.push(tls);
            http.push(above);
            second.push(one(&store, &transport, &hq).await.0);
        }
    });
    let up = |all: &[Pair]| all.iter().map(|p| p.0).collect::<Vec<_>>();
    let down = |all: &[Pair]| all.iter().map(|p| p.1).collect::<Vec<_>>();
    figures.add(Row::of("TLS of a first connection, up", &up(&full), "B").beside("its HTTP", crate::figures::median(&up(&http))));
    figures.add(Row::of("TLS of a first connection, down", &down(&full), "B").beside("its HTTP", crate::figures::median(&down(&http))));
    figures.add(Row::of("TLS of the next connection, up", &up(&second), "B"));
    figures.add(Row::of("TLS of the next connection, down", &down(&second), "B"));
}
