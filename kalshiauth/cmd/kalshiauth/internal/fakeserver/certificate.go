package fakeserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// certificateLife is less than the longest life that browsers accept.
const certificateLife = 390 * 24 * time.Hour

// NewCertificate makes a certificate for hosts and for this machine, and the certificate of the authority that signed
// it, in PEM. The authority's key is forgotten, so that nobody can sign another certificate for those who trust it.
func NewCertificate(hosts ...string) (certificate tls.Certificate, authority []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, fmt.Errorf("a key for the certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, fmt.Errorf("a key for the certificate: %w", err)
	}
	begin := time.Now().Add(-time.Hour) // for clients whose clock is slow
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kalshiauth serve, authority"},
		NotBefore: begin, NotAfter: begin.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano() + 1), Subject: pkix.Name{CommonName: "kalshiauth serve"},
		NotBefore: begin, NotAfter: begin.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	hosts = append(slices.Clone(hosts), "localhost", "127.0.0.1", "::1")
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		switch ip := net.ParseIP(host); {
		case ip == nil:
			leaf.DNSNames = append(leaf.DNSNames, host)
		case !ip.IsUnspecified():
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		}
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return certificate, nil, fmt.Errorf("the certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return certificate, nil, fmt.Errorf("the certificate: %w", err)
	}
	certificate = tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}
