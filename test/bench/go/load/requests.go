package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
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

func (l *load) send(ctx context.Context, method string, body io.Reader, length int64) (*http.Response, error) {
	return l.sendWith(ctx, method, body, length, nil)
}

func (l *load) sendWith(ctx context.Context, method string, body io.Reader, length int64, headers map[string]string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, l.target.String(), body)
	if err != nil {
		return nil, err
	}
	if l.token != "" {
		request.Header.Set("Authorization", "Bearer "+l.token)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	request.ContentLength = length
	return l.client.Do(request)
}

// One exchange, to its end. An answer that is a refusal is a failure, in its own words.
func (l *load) one(ctx context.Context, method string, body io.Reader, length int64) {
	from := time.Now()
	response, err := l.send(ctx, method, body, length)
	if err != nil {
		if ctx.Err() == nil {
			l.failed(err.Error())
		}
		return
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 2048))
		l.failed(fmt.Sprintf("%s %s", response.Status, said))
		return
	}
	octets, err := l.drain(response.Body, from)
	if err != nil {
		l.failed(err.Error())
		return
	}
	l.done(from, octets)
}

// Reads a body to its end, at the reader's own pace.
func (l *load) drain(body io.Reader, from time.Time) (int64, error) {
	if l.pace == 0 {
		return io.Copy(io.Discard, body)
	}
	var total int64
	buffer := make([]byte, 32*1024)
	for {
		n, err := body.Read(buffer)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		time.Sleep(time.Until(from.Add(time.Duration(float64(total) / float64(l.pace) * float64(time.Second)))))
	}
}

func (l *load) get() {
	for !l.isOver() {
		l.one(context.Background(), "GET", nil, 0)
		time.Sleep(l.pause)
	}
}

func (l *load) down() { l.one(context.Background(), "GET", nil, 0) }
func (l *load) up()   { l.one(context.Background(), "POST", &zeros{l.octets}, l.octets) }

// One body again and again, until so many have been sent in all.
func (l *load) post() {
	for {
		number := l.posted.Add(1)
		if number > l.total {
			return
		}
		body := strings.NewReplacer("SITE", fmt.Sprint(number%l.sites), "NUMBER", fmt.Sprint(number)).Replace(l.body)
		from := time.Now()
		response, err := l.sendWith(context.Background(), "POST", strings.NewReader(body), int64(len(body)), map[string]string{"Content-Type": "application/json", "Idempotency-Key": fmt.Sprintf("key-%d", number)})
		if err != nil {
			l.failed(err.Error())
			continue
		}
		said, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 202 {
			l.failed(fmt.Sprintf("%s %.500s", response.Status, said))
			continue
		}
		l.done(from, int64(len(said)))
	}
}

// One question that hangs. Still hanging when the time is over is no failure: nobody has told us anything.
func (l *load) wait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(l.seconds*float64(time.Second)))
	defer cancel()
	l.one(ctx, "GET", nil, 0)
}

// Bodies one after the other until the time is over; what is under way then is given up.
func (l *load) pour() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(l.seconds*float64(time.Second)))
	defer cancel()
	buffer := make([]byte, 64*1024)
	for ctx.Err() == nil {
		response, err := l.send(ctx, "GET", nil, 0)
		if err != nil {
			if ctx.Err() == nil {
				l.failed(err.Error())
				time.Sleep(100 * time.Millisecond)
			}
			continue
		}
		for {
			n, err := response.Body.Read(buffer)
			l.passed(n)
			if err != nil {
				if err != io.EOF && ctx.Err() == nil {
					l.failed(err.Error())
				}
				break
			}
		}
		response.Body.Close()
	}
}

// Opens an answer and reads nothing of it. The transport reads ahead 64 KiB; the rest waits in the kernel and in whoever is in between.
func (l *load) stall() {
	response, err := l.send(context.Background(), "GET", nil, 0)
	if err != nil {
		l.failed(err.Error())
		return
	}
	l.done(l.begin, 0)
	time.Sleep(time.Duration(l.seconds * float64(time.Second)))
	response.Body.Close()
}

func (l *load) sayWhenStalled() {
	for {
		l.lock.Lock()
		ready := l.out.Requests+l.out.Errors >= l.workers
		l.lock.Unlock()
		if ready {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "stalled")
}
