// The client of every bench: a closed loop over kept connections. Prints one line of JSON. Modes: get (small requests), down, up (octets), stall (opens answers
// and reads nothing), wait (requests that hang; says when each failed and how).
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > z.left {
		p = p[:z.left]
	}
	z.left -= int64(len(p))
	return len(p), nil
}

type result struct {
	Requests int      `json:"requests"`
	Errors   int      `json:"errors"`
	Seconds  float64  `json:"seconds"`
	Rps      float64  `json:"rps"`
	P50      float64  `json:"p50"`
	P99      float64  `json:"p99"`
	Max      float64  `json:"max"`
	Octets   int64    `json:"octets"`
	Failures []string `json:"failures,omitempty"`
}

func main() {
	url := flag.String("url", "", "what to ask")
	token := flag.String("token", "", "bearer token")
	caFile := flag.String("ca", "", "CA file")
	mode := flag.String("mode", "get", "get, down, up, stall, wait")
	workers := flag.Int("c", 1, "side by side")
	seconds := flag.Float64("d", 3, "seconds (get)")
	octets := flag.Int64("n", 0, "octets (up)")
	flag.Parse()
	pool := x509.NewCertPool()
	if *caFile != "" {
		pem, err := os.ReadFile(*caFile)
		if err != nil {
			log.Fatal(err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}},
		MaxIdleConnsPerHost: *workers,
		MaxConnsPerHost:     0,
		DisableCompression:  true,
		ReadBufferSize:      64 * 1024,
		WriteBufferSize:     64 * 1024,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	client := &http.Client{Transport: transport}
	do := func(method string, body io.Reader) (*http.Response, error) {
		request, err := http.NewRequest(method, *url, body)
		if err != nil {
			return nil, err
		}
		if *token != "" {
			request.Header.Set("Authorization", "Bearer "+*token)
		}
		if *mode == "up" {
			request.ContentLength = *octets
		}
		return client.Do(request)
	}
	var lock sync.Mutex
	var all []float64
	out := result{}
	begin := time.Now()
	note := func(ms float64, n int64, failure string) {
		lock.Lock()
		defer lock.Unlock()
		if failure != "" {
			out.Errors++
			if len(out.Failures) < 20 {
				out.Failures = append(out.Failures, fmt.Sprintf("%.1fs %s", time.Since(begin).Seconds(), failure))
			}
			return
		}
		out.Requests++
		out.Octets += n
		all = append(all, ms)
	}
	one := func(method string, body io.Reader) {
		from := time.Now()
		response, err := do(method, body)
		if err != nil {
			note(0, 0, err.Error())
			return
		}
		n, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			note(0, 0, err.Error())
		} else if response.StatusCode >= 300 {
			note(0, 0, response.Status)
		} else {
			note(float64(time.Since(from).Microseconds())/1000, n, "")
		}
	}
	var group sync.WaitGroup
	for i := 0; i < *workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			switch *mode {
			case "get":
				for time.Since(begin).Seconds() < *seconds {
					one("GET", nil)
				}
			case "down", "wait":
				one("GET", nil)
			case "up":
				one("POST", &zeros{*octets})
			case "stall":
				response, err := do("GET", nil)
				if err != nil {
					note(0, 0, err.Error())
					return
				}
				note(0, 0, "")
				time.Sleep(time.Duration(*seconds * float64(time.Second)))
				response.Body.Close()
			}
		}()
	}
	if *mode == "stall" {
		for {
			lock.Lock()
			ready := out.Requests+out.Errors >= *workers
			lock.Unlock()
			if ready || time.Since(begin) > 30*time.Second {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Fprintln(os.Stderr, "stalled")
	}
	group.Wait()
	out.Seconds = time.Since(begin).Seconds()
	sort.Float64s(all)
	if len(all) > 0 {
		out.P50 = all[len(all)/2]
		out.P99 = all[min(len(all)-1, len(all)*99/100)]
		out.Max = all[len(all)-1]
	}
	out.Rps = float64(out.Requests) / out.Seconds
	json.NewEncoder(os.Stdout).Encode(out)
}
