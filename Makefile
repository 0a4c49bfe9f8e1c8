# The developer's commands. Each target only names a script: `make help` lists them, CI runs `check` and `test`.

.DEFAULT_GOAL := help
MINUTES ?= 10
SECONDS ?= 30
SEED ?= 1
FANS ?= 100000
WAITING ?= 10000
SECONDS_LIVE ?= 20
ENGINE ?= redis
SPEED ?= 30

.PHONY: help run test conformance test-faults e2e check need-check need-test fix bench-latency bench-playback bench-origin bench-ingest soak bench-idle bench-dvr bench-chat bench-chat-page bench-page bench-api bench-words bench-broker bench-log c100k million fuzz sim

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and put the demo show on the air (Ctrl-C stops it)
	@scripts/run

test: ## Every test: Rust, fuzz targets, web page, end to end in Chromium and Firefox
	@scripts/test

e2e: ## Only the end-to-end tests; ONLY=watch runs one file
	@scripts/test-e2e

conformance: ## Every case of the WebSocket judge; `make test` plays a third of those about compression
	@CASES=all ONLY=websocket-conformance scripts/test-e2e

test-faults: ## Servers, brokers and networks break under 5,000 fans whose every message is accounted for; ONLY=f5 plays one fault
	@ONLY=$(ONLY) scripts/test-faults

check: ## Formatting, lints, documentation, licences, unused dependencies, spelling, types
	@scripts/check

need-check: ## Install what `make check` needs; it does so itself
	@scripts/need check

need-test: ## The same for `make test`
	@scripts/need test

fix: ## Apply the formatting and the lints that can be applied by machine
	@scripts/fix

bench-latency: ## Glass-to-glass latency and stalls over MINUTES=10 each, by RTMP, SRT and WHIP, for 1.0 s and 0.5 s parts; INGEST=srt measures one
	@MINUTES=$(MINUTES) INGEST=$(INGEST) scripts/bench latency

bench-playback: ## Stalls in a browser over MINUTES=10 each, for ffmpeg's and for OBS's encoder settings
	@MINUTES=$(MINUTES) scripts/bench playback

bench-origin: ## What a viewer costs the origin, and how fast WAITING=10000 requests have their part, beside nginx
	@WAITING=$(WAITING) SECONDS=$(SECONDS_LIVE) scripts/bench origin

bench-ingest: ## What CHANNELS=50 publishers of CHANNEL_MBPS=4 Mb/s each cost the origin over SECONDS_LIVE=20
	@SECONDS=$(SECONDS_LIVE) scripts/bench ingest

soak: MINUTES = 30
soak: ## A show for MINUTES=30: the judge looks at it in every state, hls.js and shaka-player play its ladder; PART=judge or players
	@MINUTES=$(MINUTES) PART=$(PART) scripts/bench soak

bench-idle: ## Start-up time and idle memory of the release binary
	@scripts/bench idle

bench-dvr: ## Memory of a channel of six renditions that viewers can go back two hours in; takes SPEED=30 times less than that
	@SPEED=$(SPEED) scripts/bench dvr

bench-chat: ## Chat against the bare cost of sending and against other servers; PART=storm plays one part
	@PART=$(PART) scripts/bench chat

bench-chat-page: ## The watch page on a phone at 50 shown messages a second over MINUTES=10: heap, long tasks, frames
	@MINUTES=$(MINUTES) scripts/bench chat-page

bench-page: ## How fast the watch page is on a phone over slow 4G, and what Lighthouse says of it
	@scripts/bench page

bench-log: ## The chat log of servers that share their rooms in a file, PostgreSQL and Cassandra, each away for OUTAGE=60 s; STORES=sqlite plays one
	@OUTAGE=$(OUTAGE) STORES="$(STORES)" RATE=$(RATE) SECONDS=$(SECONDS) scripts/bench log

bench-api: ## What requests of back ends cost, beside a NestJS app on Fastify and a Go Fiber app
	@ROUNDS=$(ROUNDS) scripts/bench api

bench-words: ## How long the word filter takes for a message, with 10,000 words in seven languages
	@scripts/bench words

bench-broker: ## What Redis has to do for a room of 1,000 to FANS=100000 fans
	@FANS=$(FANS) scripts/bench broker-load

c100k: MINUTES = 5
c100k: ## FANS=100000 in one room over ENGINE=redis for MINUTES=5, then a killed node, a rolling restart, a stampede
	@ENGINE=$(ENGINE) FANS=$(FANS) MINUTES=$(MINUTES) scripts/bench c100k

million: FANS = 1000000
million: ## FANS=1000000 in one room over Redis, five announcements, and what a fan costs in memory
	@FANS=$(FANS) scripts/bench million

fuzz: ## Run every fuzz target for SECONDS=30
	@SECONDS_EACH=$(SECONDS) fuzz/run.sh

sim: ## A hundred thousand fans in virtual time, by SEED=1
	@SEED=$(SEED) scripts/sim
