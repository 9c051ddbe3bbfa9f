// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package relay is a request that one process asks another to make: the tests, which may be anywhere, ask a pod to send it to a Service.
package relay

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// Request is what to send.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte
	// CA is the PEM of the authorities to trust. Empty trusts whoever answers, as Prometheus does where it is told to.
	CA string
}

// Answer is what came back, or why nothing did.
type Answer struct {
	Error  string
	Status int
	Header http.Header
	Body   []byte
	// Serial is the serial number of the server's certificate.
	Serial string
}

// timeout of a request, longer than the endpoint takes for any.
const timeout = 60 * time.Second

// Do sends the request over a connection of its own, so that every one meets any of the Service's pods.
func Do(request Request) Answer {
	answer, err := do(request)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	return answer
}

func do(request Request) (Answer, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: request.CA == ""}
	if request.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(request.CA)) {
			return Answer{}, errors.New("there is no certificate in the CA")
		}
	}
	r, err := http.NewRequest(request.Method, request.URL, bytes.NewReader(request.Body))
	if err != nil {
		return Answer{}, err
	}
	r.Header = request.Header
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	if response.TLS != nil {
		answer.Serial = response.TLS.PeerCertificates[0].SerialNumber.String()
	}
	return answer, nil
}

// Handler makes the requests that it is sent.
func Handler(w http.ResponseWriter, r *http.Request) {
	var request Request
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Who asked may be gone by now.
	_ = json.NewEncoder(w).Encode(Do(request))
}
