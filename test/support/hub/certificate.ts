// A key and the certificate that it signed for itself, which nobody trusts: for a local server, and of no other use.

const pem = (what: string, base64: string): string => `-----BEGIN ${what}-----\n${base64}\n-----END ${what}-----\n`;

export const testKey = pem(
  "PRIVATE KEY",
  `MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgljQt9k6rb1walruT
IGnlhytrCKBA7uauBOLwp47EkN6hRANCAAQAKNbLCdFuteI8IRFEMkNTaUAXH1b8
vkGSfVgTr/kKnXZN8mhacMB3psGlDSYBk1/LLWCph7zVIIXHY+0LaeC9`,
);

export const testCertificate = pem(
  "CERTIFICATE",
  `MIIBVTCB/KADAgECAgEBMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWxvY2FsaG9z
dDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAGA1UEAwwJ
bG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEACjWywnRbrXiPCER
RDJDU2lAFx9W/L5Bkn1YE6/5Cp12TfJoWnDAd6bBpQ0mAZNfyy1gqYe81SCFx2Pt
C2ngvaM9MDswGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQWBBS/
2Jz/+3h+9bYHQ+VZJjx61LH2KjAKBggqhkjOPQQDAgNIADBFAiEA1Sifs/tyxc1B
WEw7Cuqp/9BvrU7mjB/uJ9vHM3a8dVMCIDM6+gEN9Ygu9fbiWgtsGmNp+jyERokV
WRSY/bOzA498`,
);
