// The client of every bench: closed loops over kept sockets, for a time. Prints one line of JSON. Modes over requests (requests.go): get (small ones), down and up
// (one body each, to its end), pour (bodies for as long as the time lasts), stall (opens answers and reads nothing), wait (requests that hang; says when each
// failed and how), post (one body so many times, each with its own number, site and Idempotency-Key). Modes over upgraded streams (streams.go): echo, ask, drink, feed.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

type failure struct {
	// Milliseconds since 1970: what the bench did to the line is on the same clock.
	AtMs float64 `json:"atMs"`
	What string  `json:"what"`
}

type result struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Seconds  float64 `json:"seconds"`
	Rps      float64 `json:"rps"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
	// Octets of bodies; those of the first -warm seconds are not counted.
	Octets   int64     `json:"octets"`
	Failures []failure `json:"failures,omitempty"`
}

const failuresKept = 500

type load struct {
	target  *url.URL
	token   string
	seconds float64
	warm    float64
	octets  int64
	pause   time.Duration
	pace    int64
	workers int
	body    string
	total   int64
	sites   int64
	posted  atomic.Int64
	tls     *tls.Config
	client  *http.Client
	begin   time.Time
	lock    sync.Mutex
	all     []float64
	out     result
}

func (l *load) failed(what string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.out.Errors++
	if len(l.out.Failures) < failuresKept {
		l.out.Failures = append(l.out.Failures, failure{float64(time.Now().UnixMicro()) / 1000, what})
	}
}

func (l *load) done(from time.Time, octets int64) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.out.Requests++
	l.out.Octets += octets
	l.all = append(l.all, float64(time.Since(from).Microseconds())/1000)
}

// Octets that count, as they pass: none before -warm is over.
func (l *load) passed(octets int) {
	if time.Since(l.begin).Seconds() < l.warm {
		return
	}
	l.lock.Lock()
	l.out.Octets += int64(octets)
	l.lock.Unlock()
}

func (l *load) isOver() bool { return time.Since(l.begin).Seconds() >= l.seconds }

func (l *load) finish() {
	l.out.Seconds = time.Since(l.begin).Seconds() - l.warm
	sort.Float64s(l.all)
	if n := len(l.all); n > 0 {
		l.out.P50 = l.all[n/2]
		l.out.P99 = l.all[min(n-1, n*99/100)]
		l.out.Max = l.all[n-1]
	}
	l.out.Rps = float64(l.out.Requests) / l.out.Seconds
	json.NewEncoder(os.Stdout).Encode(l.out)
}

func main() {
	address := flag.String("url", "", "what to ask")
	caFile := flag.String("ca", "", "CA file")
	mode := flag.String("mode", "get", "get, down, up, pour, stall, wait, post; echo, ask, drink, feed")
	pauseMs := flag.Int("pause", 0, "ms between two questions of one worker")
	l := &load{}
	flag.StringVar(&l.token, "token", "", "bearer token")
	flag.IntVar(&l.workers, "c", 1, "side by side")
	flag.Float64Var(&l.seconds, "d", 3, "seconds")
	flag.Float64Var(&l.warm, "warm", 0, "seconds at the beginning whose octets do not count (pour, drink, feed)")
	flag.Int64Var(&l.octets, "n", 0, "octets (up, echo)")
	flag.Int64Var(&l.pace, "pace", 0, "octets per second that the reader takes at most (down)")
	bodyFile := flag.String("body", "", "file with the body (post); SITE and NUMBER in it become numbers")
	flag.Int64Var(&l.total, "total", 0, "requests in all (post)")
	flag.Int64Var(&l.sites, "sites", 1, "sites that take turns (post)")
	flag.Parse()
	l.pause = time.Duration(*pauseMs) * time.Millisecond
	target, err := url.Parse(*address)
	if err != nil {
		log.Fatal(err)
	}
	l.target = target
	pool := x509.NewCertPool()
	if *caFile != "" {
		pem, err := os.ReadFile(*caFile)
		if err != nil {
			log.Fatal(err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	if *bodyFile != "" {
		body, err := os.ReadFile(*bodyFile)
		if err != nil {
			log.Fatal(err)
		}
		l.body = string(body)
	}
	l.tls = &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}, ServerName: target.Hostname()}
	l.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     l.tls,
		MaxIdleConnsPerHost: l.workers,
		DisableCompression:  true,
		ReadBufferSize:      64 * 1024,
		WriteBufferSize:     64 * 1024,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
	modes := map[string]func(){
		"get": l.get, "down": l.down, "up": l.up, "pour": l.pour, "stall": l.stall, "wait": l.wait, "post": l.post,
		"echo": l.echo, "ask": l.ask, "drink": l.drink, "feed": l.feed,
	}
	work, ok := modes[*mode]
	if !ok {
		log.Fatalf("there is no mode %q", *mode)
	}
	l.begin = time.Now()
	if *mode == "stall" {
		go l.sayWhenStalled()
	}
	var group sync.WaitGroup
	for i := 0; i < l.workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			work()
		}()
	}
	group.Wait()
	l.finish()
}

type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }
