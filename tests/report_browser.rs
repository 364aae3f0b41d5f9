//! The page in a real browser: nothing overflows, nothing is logged, every chart is drawn, at the width of a phone and of a
//! desk. Needs a Chromium; without one the test says so and passes. `TETRAPOD_CHROMIUM` names one elsewhere,
//! `TETRAPOD_PAGES` a folder in which the page and pictures of it are kept.

#![cfg(feature = "report")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that starts a browser, and tells when there is none"
)]

mod runs;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use runs::{sweep, three_policies};
use tetrapod::report::{page, sweep_page};

/// Measures once the page is laid out, and writes what it found where `--dump-dom` shows it.
const PROBE: &str = r#"<script>
window.faults = [];
addEventListener('error', e => faults.push(String(e.message)));
const log = console.error;
console.error = (...all) => { faults.push(all.join(' ')); log(...all); };
addEventListener('load', () => {
  const root = document.documentElement, wide = [], flat = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('.scroll') || e.closest('svg') && e.tagName !== 'svg') continue;
    const box = e.getBoundingClientRect();
    if (box.right > innerWidth + 0.5 && !e.classList.contains('sr')) wide.push(e.tagName + '.' + e.className);
  }
  for (const e of document.querySelectorAll('svg[role=img]')) {
    const box = e.getBoundingClientRect();
    if (box.width < 200 || box.height < 60 || !e.querySelector('path,rect,circle')) flat.push(e.getAttribute('aria-labelledby'));
  }
  let cut = 0;
  for (const e of document.querySelectorAll('svg text')) {
    const box = e.getBoundingClientRect(), of = e.ownerSVGElement.closest('figure').getBoundingClientRect();
    if (box.left < of.left - 1 || box.right > of.right + 1) cut += 1;
  }
  const out = document.createElement('pre');
  out.id = 'measured';
  out.textContent = [innerWidth, root.scrollWidth, document.querySelectorAll('svg[role=img]').length,
    wide.length + ' ' + wide.slice(0, 4), flat.length + ' ' + flat.slice(0, 4), cut, faults.length + ' ' + faults.join(' ')].join('|');
  document.body.append(out);
});
</script>"#;

fn chromium() -> Option<PathBuf> {
    let named = env::var("TETRAPOD_CHROMIUM").ok().map(PathBuf::from);
    let usual = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    named
        .into_iter()
        .chain(usual.map(PathBuf::from))
        .find(|path| path.exists())
}

/// Runs the browser on `file` with an empty profile of its own.
fn browse(browser: &Path, file: &Path, profile: &str, arguments: &[&str]) -> Output {
    let folder = env::temp_dir().join(format!("tetrapod-browser-{}-{profile}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", folder.display()))
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    drop(fs::remove_dir_all(&folder));
    output
}

#[test]
fn the_page_fits_a_phone_and_a_desk_and_logs_nothing() {
    let html = page(&three_policies());
    assert!(html.matches("role=\"img\"").count() >= 30);
    is_sound("page", &html);
}

#[test]
fn the_page_of_a_sweep_does_too() {
    let html = sweep_page(&sweep());
    assert_eq!(
        html.matches("role=\"img\"").count(),
        3,
        "all traces and each"
    );
    is_sound("sweep", &html);
}

/// Opens `html` at both widths and looks at it.
fn is_sound(kind: &str, html: &str) {
    let Some(browser) = chromium() else {
        eprintln!("skipped: there is no Chromium (apt-get install -y chromium)");
        return;
    };
    let kept = env::var("TETRAPOD_PAGES").ok();
    let folder = kept.as_ref().map_or_else(
        || env::temp_dir().join(format!("tetrapod-{kind}-{}", std::process::id())),
        PathBuf::from,
    );
    fs::create_dir_all(&folder).unwrap();
    let charts = html.matches("role=\"img\"").count();
    fs::write(folder.join(format!("{kind}.html")), html).unwrap();
    let probed = html.replacen("<head>", &format!("<head>{PROBE}"), 1);
    let file = folder.join(format!("{kind}-probed.html"));
    fs::write(&file, probed).unwrap();
    // A window is at least 500 pixels wide: the phone is a frame of 390 in it.
    let frame = folder.join(format!("{kind}-phone.html"));
    fs::write(
        &frame,
        format!("<!doctype html><body style=\"margin:0\"><iframe id=\"phone\" src=\"{kind}-probed.html\" style=\"width:390px;height:844px;border:0\"></iframe><script>addEventListener('load',()=>{{const found=document.getElementById('phone').contentDocument.getElementById('measured');const out=document.createElement('pre');out.id='measured';out.textContent=found.textContent;document.body.append(out);}});</script>"),
    )
    .unwrap();
    for (name, file, width) in [("phone", &frame, 390), ("desk", &file, 1_280)] {
        let size = format!("--window-size={},900", width.max(500));
        let arguments = [
            "--dump-dom",
            "--allow-file-access-from-files",
            "--virtual-time-budget=5000",
            &size,
        ];
        let output = browse(&browser, file, &format!("{kind}-{name}"), &arguments);
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let measured = dom
            .rsplit("<pre id=\"measured\">")
            .next()
            .and_then(|rest| rest.split("</pre>").next())
            .unwrap();
        let parts: Vec<&str> = measured.split('|').collect();
        assert_eq!(parts.len(), 7, "{kind}, {name}: {dom:.300} {log}");
        let number = |at: usize| parts[at].parse::<usize>().unwrap();
        assert_eq!(number(0), width, "{kind}, {name}: width");
        assert!(number(1) <= width, "{kind}, {name}: {} wide", parts[1]);
        assert_eq!(number(2), charts, "{kind}, {name}: charts");
        assert!(
            parts[3].starts_with("0 "),
            "{kind}, {name}: beyond the edge: {}",
            parts[3]
        );
        assert!(
            parts[4].starts_with("0 "),
            "{kind}, {name}: not drawn: {}",
            parts[4]
        );
        assert_eq!(number(5), 0, "{kind}, {name}: texts that are cut off");
        assert!(
            parts[6].starts_with("0 "),
            "{kind}, {name}: console: {}",
            parts[6]
        );
        assert!(!log.contains("CONSOLE"), "{kind}, {name}: {log}");
    }
    if kept.is_none() {
        drop(fs::remove_dir_all(&folder));
    }
}
