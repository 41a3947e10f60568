//! A proxy on loopback that loses answers: the server has done what it was asked, and nobody hears of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const BUFFER_BYTES: usize = 64 << 10;

/// Ends with the test's process.
pub struct Proxy {
    pub url: String,
    rules: Arc<Mutex<Vec<Rule>>>,
}

/// The next so many requests whose first line begins so get no answer.
struct Rule {
    beginning: String,
    left: usize,
}

impl Proxy {
    pub fn before(server_url: &str) -> Proxy {
        let server: SocketAddr = server_url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rules: Arc<Mutex<Vec<Rule>>> = Arc::default();
        let shared = rules.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (rules, server) = (shared.clone(), TcpStream::connect(server));
                if let Ok(server) = server {
                    std::thread::spawn(move || pass(client, server, &rules));
                }
            }
        });
        Proxy { url, rules }
    }

    /// For example `lose("POST /uploads", 2)`.
    pub fn lose(&self, beginning: &str, count: usize) {
        self.rules.lock().unwrap().push(Rule { beginning: beginning.into(), left: count });
    }

    /// Whether every answer that was to be lost was lost.
    pub fn is_done(&self) -> bool {
        self.rules.lock().unwrap().iter().all(|rule| rule.left == 0)
    }
}

fn pass(client: TcpStream, server: TcpStream, rules: &Mutex<Vec<Rule>>) {
    let lost = Arc::new(AtomicBool::new(false));
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let losing = lost.clone();
    let back = std::thread::spawn(move || {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count @ 1..) = answers.read(&mut buffer) {
            // The first bytes of the answer: the server is done with the request.
            if losing.load(Ordering::SeqCst) || to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = answers.shutdown(Shutdown::Both);
    });
    let (mut requests, mut to_server) = (client, server);
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = requests.read(&mut buffer) {
        // A client waits for its answer before it asks again: a request begins at the beginning of what is read.
        if is_to_be_lost(&buffer[..count], rules) {
            lost.store(true, Ordering::SeqCst);
        }
        if to_server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to_server.shutdown(Shutdown::Write);
    let _ = back.join();
}

fn is_to_be_lost(read: &[u8], rules: &Mutex<Vec<Rule>>) -> bool {
    let mut rules = rules.lock().unwrap();
    let rule = rules.iter_mut().find(|rule| rule.left > 0 && read.starts_with(rule.beginning.as_bytes()));
    rule.map(|rule| rule.left -= 1).is_some()
}
