package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A stream that was upgraded as `kubectl exec` does it: the octets after the 101 are the stream's own.
func (l *load) upgrade() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", l.target.Host, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if l.target.Scheme == "https" {
		secured := tls.Client(conn, l.tls)
		if err := secured.Handshake(); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secured
	}
	authorization := ""
	if l.token != "" {
		authorization = "Authorization: Bearer " + l.token + "\r\n"
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n%sConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n", l.target.RequestURI(), l.target.Host, authorization)
	reader := bufio.NewReaderSize(conn, 64*1024)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if response.StatusCode != 101 {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 2048))
		conn.Close()
		return nil, fmt.Errorf("%s %s", response.Status, said)
	}
	return &buffered{conn, reader}, nil
}

// A closed loop on one stream: writes a question and reads its answer, until the time is over.
func (l *load) dialogue(question []byte, answerOctets int) {
	stream, err := l.upgrade()
	if err != nil {
		l.failed(err.Error())
		return
	}
	defer stream.Close()
	answer := make([]byte, answerOctets)
	for !l.isOver() {
		from := time.Now()
		if _, err := stream.Write(question); err != nil {
			l.failed(err.Error())
			return
		}
		if _, err := io.ReadFull(stream, answer); err != nil {
			l.failed(err.Error())
			return
		}
		l.done(from, int64(answerOctets))
		time.Sleep(l.pause)
	}
}

// A keystroke and its echo.
func (l *load) echo() { l.dialogue(make([]byte, max(1, l.octets)), int(max(1, l.octets))) }

// The size of a small request and of its answer, without anybody in between who understands either.
func (l *load) ask() { l.dialogue(make([]byte, 256), 2048+128) }

// Reads what the origin pours.
func (l *load) drink() {
	stream, err := l.upgrade()
	if err != nil {
		l.failed(err.Error())
		return
	}
	defer stream.Close()
	stream.SetReadDeadline(l.begin.Add(time.Duration(l.seconds * float64(time.Second))))
	buffer := make([]byte, 64*1024)
	for !l.isOver() {
		n, err := stream.Read(buffer)
		l.passed(n)
		if err != nil {
			if !l.isOver() {
				l.failed(err.Error())
			}
			return
		}
	}
}

// Writes as much as is taken.
func (l *load) feed() {
	stream, err := l.upgrade()
	if err != nil {
		l.failed(err.Error())
		return
	}
	defer stream.Close()
	stream.SetWriteDeadline(l.begin.Add(time.Duration(l.seconds * float64(time.Second))))
	buffer := make([]byte, 16*1024)
	for !l.isOver() {
		n, err := stream.Write(buffer)
		l.passed(n)
		if err != nil {
			if !l.isOver() {
				l.failed(err.Error())
			}
			return
		}
	}
}
