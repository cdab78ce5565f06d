import HTTPServer
import Reports

/// Files that pages need: one style sheet, one script, one icon; part of the program, so that no network is needed.
struct Asset: Sendable {
    var type: String
    var text: String

    var response: HTTPServerResponse {
        var response = HTTPServerResponse(type: type, text)
        response.headers.append(("Cache-Control", "max-age=60"))
        return response
    }

    static let all: [String: Asset] = [
        "/assets/app.css": Asset(type: "text/css; charset=utf-8", text: "\(css)\n\(Figure.style)"),
        "/assets/app.js": Asset(type: "text/javascript; charset=utf-8", text: script),
        "/assets/icon.svg": Asset(type: "image/svg+xml", text: icon),
    ]

    private static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#f5c518"/>\
        <path d="M2 8h3v3H2zM8 8h3v3H8zM5 5h3v3H5zM11 5h3v3h-3z" fill="#222"/></svg>
        """

    private static let css = """
        :root{--bg:#fff;--fg:#1c1f23;--soft:#5c6570;--line:#d9dee3;--card:#f6f8fa;--accent:#0b62a8;--good:#1a7f37;--bad:#c0262d;--warn:#8a5a00;--area:#0b62a822}
        @media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e7eaed;--soft:#9aa4af;--line:#333a41;--card:#1d2226;--accent:#6cb6ff;--good:#57c46b;--bad:#ff7b72;--warn:#e3b341;--area:#6cb6ff26}}
        *{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        a{color:var(--accent)}:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
        .skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--bg);padding:4px 8px;z-index:2}
        header{display:flex;flex-wrap:wrap;align-items:center;gap:4px 16px;padding:10px 20px;border-bottom:1px solid var(--line)}
        .home{font-weight:700;text-decoration:none;color:var(--fg)}.tenant{color:var(--soft)}
        nav ul,.tenants ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px;margin:0;padding:0}
        nav a{display:block;padding:4px 10px;border-radius:6px;text-decoration:none;color:var(--fg)}nav a:hover{background:var(--card)}
        nav a[aria-current]{background:var(--accent);color:var(--bg)}
        .tenants{margin-left:auto}.tenants ul{position:absolute;right:16px;background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:8px 12px;flex-direction:column;z-index:1}
        main{max-width:1180px;margin:0 auto;padding:12px 20px 40px}h1{font-size:22px;margin:8px 0 12px}h2{font-size:17px;margin:26px 0 8px}
        .health{border-left:4px solid var(--good);background:var(--card);padding:8px 14px;border-radius:4px;margin:0 0 14px}
        .health.failing{border-color:var(--bad)}.health.warning{border-color:var(--warn)}.health p{margin:2px 0}.remedy{color:var(--soft)}
        .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:10px}
        .card{background:var(--card);border-radius:8px;padding:10px 14px;min-width:0}.card dt{color:var(--soft);font-size:13px}.card dd{margin:0;font-size:22px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
        .card dd small{display:block;font-size:12.5px;color:var(--soft)}dl.cards{margin:0}
        .curve{width:100%;height:120px;display:block}.curve polyline{fill:none;stroke:var(--accent);stroke-width:1.6;vector-effect:non-scaling-stroke}.curve .area{fill:var(--area);stroke:none}
        .curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(270px,1fr));gap:4px 18px;margin-top:8px}
        figure{margin:0 0 6px;position:relative}figcaption{display:flex;justify-content:space-between;color:var(--soft);font-size:12px}figure .top{color:var(--soft);font-size:12px}.bars rect{fill:var(--accent)}.bars{width:100%;height:200px;display:block}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}caption{text-align:left;color:var(--soft);font-size:13px;padding:4px 0}
        th,td{text-align:left;padding:4px 10px;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:170px}.n{text-align:right}
        th{color:var(--soft);font-weight:600;font-size:13px}
        [data-state=failed],[data-state=failing],.bad{color:var(--bad)}[data-state=success],[data-state=ok]{color:var(--good)}[data-state=running]{color:var(--accent)}
        .empty{color:var(--soft)}form.inline{display:inline}button,select,input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:3px 10px}button{cursor:pointer}button:hover{border-color:var(--accent)}
        pre{background:var(--card);padding:10px 14px;border-radius:8px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
        .map{width:100%;max-width:560px}.map path{fill:var(--card);stroke:var(--line);stroke-width:.6}.map path:hover{stroke:var(--fg);stroke-width:1.4}.map circle{fill:var(--warn);fill-opacity:.55;stroke:none}
        .map .s1{fill:#0b62a826}.map .s2{fill:#0b62a84d}.map .s3{fill:#0b62a880}.map .s4{fill:#0b62a8b3}.map .s5{fill:#0b62a8e6}
        @media (prefers-color-scheme:dark){.map .s1{fill:#6cb6ff26}.map .s2{fill:#6cb6ff4d}.map .s3{fill:#6cb6ff80}.map .s4{fill:#6cb6ffb3}.map .s5{fill:#6cb6ffe6}}
        .columns{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:20px}.controls{display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;margin:8px 0}.controls input[type=range]{flex:1;min-width:140px}
        .gantt>div{display:grid;grid-template-columns:minmax(130px,20%) minmax(0,1fr);gap:10px;align-items:center}.gantt span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.gantt svg{width:100%;height:14px;background:var(--card)}
        .gantt rect{fill:var(--accent)}.gantt .failed{fill:var(--bad)}.gantt .success{fill:var(--good)}
        .steps{overflow-x:auto}.steps rect{fill:var(--card);stroke:var(--accent)}.steps svg>rect{fill:none;stroke:none}.steps text{fill:var(--fg)}.steps svg>path{stroke:var(--soft)}
        .schema{white-space:pre;overflow-wrap:normal}.diff del,.diff ins{text-decoration:none;display:block}.diff del{color:var(--bad)}.diff ins{color:var(--good)}
        mark{background:var(--bad);color:var(--bg)}footer{padding:0 20px 20px;color:var(--soft);font-size:13px;max-width:1180px;margin:0 auto}
        .login{max-width:340px;margin:12vh auto}.login label{display:block;margin:10px 0}
        @media (max-width:640px){header,main,footer{padding-left:12px;padding-right:12px}.columns{grid-template-columns:minmax(0,1fr)}.cards{grid-template-columns:repeat(2,minmax(0,1fr))}.card dd{font-size:18px}}
        details{margin:8px 0}summary{cursor:pointer;color:var(--soft);font-size:14px}
        @media print{header nav,.tenants,button,form,.controls{display:none}body{color:#000;background:#fff}}
        """

    /// Parts of a page are fetched again when an event comes, and put in their places where they differ. Tabs of one browser share
    /// one stream of events: a browser opens six connections to a server, and the seventh tab would wait for ever.
    private static let script = """
        (() => {
          const body = document.body, live = document.getElementById('live');
          const session = document.querySelector('meta[name=taxi-session]')?.content;
          const say = text => { if (live && live.textContent !== text) live.textContent = text; };
          const parts = [...document.querySelectorAll('[data-part]')];
          // What changes seldom and costs something is asked for as seldom.
          const every = 1000 * (document.querySelector('[data-every]')?.dataset.every || 0);
          let busy = false, wanted = false, paused = false, answered = -Infinity, refreshed = performance.now();
          async function refresh() {
            if (paused || document.hidden || !parts.length || performance.now() - refreshed < every) return;
            refreshed = performance.now();
            if (busy) { wanted = true; return; }
            busy = true;
            try {
              const url = new URL(location.href); url.searchParams.set('parts', '1');
              const answer = await fetch(url, {headers: {Accept: 'text/html'}});
              if (!answer.ok) throw new Error(answer.status);
              const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
              for (const part of parts) {
                const next = page.querySelector(`[data-part="${part.dataset.part}"]`);
                if (next && next.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.replaceChildren(...next.childNodes);
              }
              // An answer to somebody who has pressed a button stays long enough to be read.
              if (performance.now() - answered > 8000) say('live');
            } catch { say('no connection to the server; trying again'); }
            busy = false;
            if (wanted) { wanted = false; setTimeout(refresh, 200); }
          }
          function listen(url) {
            const channel = 'BroadcastChannel' in window ? new BroadcastChannel('taxi ' + url) : null;
            if (channel) channel.onmessage = refresh;
            const open = () => new Promise(() => {
              const source = new EventSource(url);
              const take = () => { refresh(); channel?.postMessage(1); };
              source.addEventListener('now', take);
              source.onerror = () => say('no connection to the server; trying again');
            });
            if (navigator.locks && channel) navigator.locks.request('taxi ' + url, open); else open();
          }
          if (body.dataset.events) listen(body.dataset.events);
          document.addEventListener('visibilitychange', () => { if (!document.hidden && body.dataset.events) refresh(); });
          document.addEventListener('click', async event => {
            const pause = event.target.closest('[data-pause]');
            if (pause) { paused = !paused; pause.setAttribute('aria-pressed', paused); pause.textContent = paused ? 'Go on' : 'Pause'; say(paused ? 'paused' : 'live'); refresh(); return; }
            const button = event.target.closest('button[data-action]');
            if (!button) return;
            event.preventDefault();
            if (!button.form.reportValidity()) return;
            button.disabled = true;
            try {
              const answer = await fetch(button.dataset.action, {method: 'POST', headers: {'X-Taxi-Session': session}, body: new URLSearchParams(new FormData(button.form))});
              say((await answer.text()).trim());
              answered = performance.now();
            } catch { say('the server does not answer'); }
            button.disabled = false; setTimeout(refresh, 400);
          });
          document.addEventListener('change', event => { if (event.target.matches('form[data-auto] select')) event.target.form.submit(); });
          const slider = document.querySelector('[data-map]');
          if (slider) {
            let timer = 0;
            // At its end, which lies between two steps, it is live again.
            const atEnd = () => +slider.value + +slider.step > +slider.max;
            const move = () => { paused = !atEnd(); if (paused) { say('paused'); show(); } else refresh(); };
            const show = async () => {
              const answer = await fetch(`${slider.dataset.map}?at=${slider.value}`);
              if (!answer.ok) return;
              const frame = await answer.json();
              // What is there now: the page may have been drawn anew since it was loaded.
              const title = document.getElementById('map-time'), map = document.querySelector('.map'), list = document.getElementById('map-list');
              title.textContent = frame.time; slider.setAttribute('aria-valuetext', frame.time);
              for (const path of map.querySelectorAll('path')) { const a = frame.areas[path.dataset.area]; path.setAttribute('class', 's' + (a ? a.shade : 0)); path.firstElementChild.textContent = `${path.dataset.name}: ${a ? a.count : 0}`; }
              const group = map.querySelector('g.places');
              group.replaceChildren(...frame.places.map(p => { const c = document.createElementNS('http://www.w3.org/2000/svg', 'circle'); c.setAttribute('cx', p.x); c.setAttribute('cy', p.y); c.setAttribute('r', p.r); return c; }));
              list.replaceChildren(...frame.top.map(row => { const tr = document.createElement('tr'); for (const text of row) { const td = document.createElement('td'); td.textContent = text; tr.append(td); } return tr; }));
            };
            slider.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(move, 60); });
            const play = document.querySelector('[data-play]');
            let playing = 0;
            play?.addEventListener('click', () => {
              if (playing) { clearInterval(playing); playing = 0; play.textContent = 'Play'; return; }
              play.textContent = 'Stop';
              if (atEnd()) slider.value = slider.min;
              playing = setInterval(() => { slider.value = +slider.value + +slider.step; if (atEnd()) { clearInterval(playing); playing = 0; play.textContent = 'Play'; } move(); }, 400);
            });
          }
        })();
        """
}
