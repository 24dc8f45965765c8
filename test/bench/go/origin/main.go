// The origin behind every bench: small JSON answers, streams of octets, a sink for uploads, a long list, answers that never come, and upgraded streams. Plain
// HTTP/1.1 on loopback. Its addresses look like an API server's: what is between may judge a request by its path.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var chunk = make([]byte, 64*1024)

func number(r *http.Request, name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func pour(w io.Writer, n int64) error {
	for n > 0 {
		part := chunk[:min(n, int64(len(chunk)))]
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

// A list as the API server writes one: no length, item after item.
func list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	value := strings.Repeat("v", int(number(r, "octets", 10_240)))
	out := bufio.NewWriterSize(w, 64*1024)
	io.WriteString(out, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[`)
	for i := int64(0); i < number(r, "items", 10_000); i++ {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, `{"metadata":{"name":"item-%d","namespace":"bench"},"data":{"x":"%s"}}`, i, value)
	}
	io.WriteString(out, "]}")
	out.Flush()
}

// Upgrades as an exec would be; `do` says what happens on the stream: echo, serve (a short question, an answer of 2 KiB), pour, sink.
func exec(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	switch r.URL.Query().Get("do") {
	case "echo":
		part := make([]byte, 16*1024)
		for {
			n, err := buffered.Read(part)
			if err != nil {
				return
			}
			if _, err := conn.Write(part[:n]); err != nil {
				return
			}
		}
	case "serve":
		question, answer := make([]byte, 256), make([]byte, 2048+128)
		for {
			if _, err := io.ReadFull(buffered, question); err != nil {
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	case "pour":
		pour(conn, 1<<40)
	case "sink":
		io.Copy(io.Discard, buffered)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	small, _ := json.Marshal(map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "data": map[string]string{"x": strings.Repeat("x", 1_990)}})
	for i := range chunk {
		chunk[i] = byte(i * 7)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/bench/configmaps/small", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(small)
	})
	mux.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"gitVersion":"v0-bench"}`) })
	mux.HandleFunc("GET /api/v1/namespaces/bench/pods/bulk/log", func(w http.ResponseWriter, r *http.Request) {
		n := number(r, "octets", 0)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		pour(w, n)
	})
	mux.HandleFunc("POST /api/v1/namespaces/bench/pods", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"octets":%d,"error":"%v"}`, n, err)
	})
	// Answers when the client leaves: what a request that waits looks like.
	mux.HandleFunc("GET /api/v1/namespaces/bench/pods/wait/log", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Minute):
		}
	})
	mux.HandleFunc("GET /api/v1/configmaps", list)
	mux.HandleFunc("POST /api/v1/namespaces/bench/pods/shell/exec", exec)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("origin http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, mux))
}
