#!/bin/sh
# Makes the fixtures of this directory anew. Run it here; tests hold none of the values, only the relations.
set -eu
message() { printf 'what is signed'; }

for bits in 1024 2048; do
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:$bits -out rsa$bits.key.pem
    openssl pkey -in rsa$bits.key.pem -pubout -out rsa$bits.pub.pem
    for salt in 20 32; do
        message | openssl dgst -sha256 -sign rsa$bits.key.pem -sigopt rsa_padding_mode:pss \
            -sigopt rsa_pss_saltlen:$salt -sigopt rsa_mgf1_md:sha256 -out rsa$bits-pss-salt$salt.sig
    done
    message | openssl dgst -sha256 -sign rsa$bits.key.pem -out rsa$bits-pkcs1.sig
done
message | openssl dgst -sha256 -sign rsa2048.key.pem -sigopt rsa_padding_mode:pss \
    -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha1 -out rsa2048-pss-mgf1-sha1.sig

# One P-256 key in three encodings.
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key.pem
openssl ec -in p256.key.pem -pubout -out p256.pub.pem
openssl ec -in p256.key.pem -pubout -conv_form compressed -out p256-compressed.pub.pem
openssl ec -in p256.key.pem -pubout -param_enc explicit -out p256-explicit.pub.pem

# Certificates of one GUN: signed with SHA-1, on an RSA key of 1024 bits, and below CAs on P-521 and RSA.
subject='/CN=registry.test\/keys'
openssl req -x509 -sha1 -days 36500 -key rsa2048.key.pem -subj "$subject" -addext basicConstraints=CA:FALSE -out sha1.crt.pem
openssl req -x509 -sha256 -days 36500 -key rsa1024.key.pem -subj "$subject" -addext basicConstraints=CA:FALSE -out rsa1024.crt.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key.pem
openssl pkey -in p521.key.pem -pubout -out p521.pub.pem
openssl req -x509 -sha512 -days 36500 -key p521.key.pem -subj "/CN=P-521 CA" -out p521-ca.crt.pem
openssl req -x509 -sha512 -days 36500 -key p256.key.pem -subj "$subject" -CA p521-ca.crt.pem -CAkey p521.key.pem \
    -addext basicConstraints=CA:FALSE -out p521-leaf.crt.pem
openssl req -x509 -sha256 -days 36500 -key rsa2048.key.pem -subj "/CN=RSA CA" -out rsa-ca.crt.pem
openssl req -x509 -sha256 -days 36500 -key p256.key.pem -subj "$subject" -CA rsa-ca.crt.pem -CAkey rsa2048.key.pem \
    -addext basicConstraints=CA:FALSE -out rsa-leaf.crt.pem

# Servers below a CA on P-256: with an RSA key of 1024 bits, and signed with SHA-1.
openssl req -x509 -sha256 -days 36500 -key p256.key.pem -subj "/CN=Server CA" -out server-ca.crt.pem
openssl req -x509 -sha256 -days 36500 -key rsa1024.key.pem -subj "/CN=server" -CA server-ca.crt.pem -CAkey p256.key.pem \
    -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:notary.test -out server-rsa1024.crt.pem
openssl req -x509 -sha1 -days 36500 -key rsa2048.key.pem -subj "/CN=server" -CA server-ca.crt.pem -CAkey p256.key.pem \
    -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:notary.test -out server-sha1.crt.pem
rm ./*.key.pem

# Signers of every type of key. Secret to nobody.
for curve in 256 384 521; do
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-$curve -out signer-p$curve.pem
done
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out signer-rsa.pem
openssl genpkey -quiet -algorithm ED25519 -out signer-ed25519.pem
for signer in p256 p384 p521 rsa ed25519; do
    openssl pkey -in signer-$signer.pem -pubout -out signer-$signer.pub.pem
done
