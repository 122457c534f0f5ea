"""The texts of tokens.json by category. A pair (text, times) stands for the text repeated so many times."""

CODE = [
    "def fibonacci(n: int) -> int:\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    "class Point:\n\tdef __init__(self, x=0.0, y=0.0):\n\t\tself.x, self.y = x, y\n\n\tdef __repr__(self):\n\t\treturn f\"Point({self.x!r}, {self.y:.2f})\"\n",
    "const sum = (...xs) => xs.reduce((a, b) => a + b, 0);\nconsole.log(`total: ${sum(1, 2, 3)}`);\n",
    "export async function* pages<T>(url: URL): AsyncGenerator<T[]> {\n  for (let next: string | null = url.href; next !== null; ) {\n    const res = await fetch(next);\n    yield (await res.json()) as T[];\n    next = res.headers.get(\"link\");\n  }\n}\n",
    "#include <stdio.h>\n\nint main(int argc, char **argv) {\n    for (int i = 0; i < argc; ++i) printf(\"%d: %s\\n\", i, argv[i]);\n    return 0;\n}\n",
    "template <typename T, std::size_t N>\nconstexpr auto sum(const std::array<T, N>& xs) noexcept {\n  return std::accumulate(xs.begin(), xs.end(), T{});\n}\n",
    "fn main() -> Result<(), Box<dyn std::error::Error>> {\n    let text = std::fs::read_to_string(\"a.txt\")?;\n    let n: usize = text.lines().filter(|l| !l.is_empty()).count();\n    println!(\"{n:>5}\");\n    Ok(())\n}\n",
    "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tch := make(chan int, 1)\n\tgo func() { ch <- 42 }()\n\tfmt.Println(<-ch)\n}\n",
    "public final class Main {\n    public static void main(String[] args) {\n        var map = new java.util.HashMap<String, List<Integer>>();\n        map.computeIfAbsent(\"k\", k -> new ArrayList<>()).add(1);\n    }\n}\n",
    "using System.Linq;\nvar evens = Enumerable.Range(0, 100).Where(x => x % 2 == 0).ToList();\nConsole.WriteLine($\"{evens.Count,8:N0}\");\n",
    "%w[a b c].each_with_index do |x, i|\n  puts \"#{i}: #{x.upcase}\" unless x.nil?\nend\n",
    "<?php\nfunction greet(?string $name = null): string {\n    return 'Hello, ' . ($name ?? 'world') . \"!\\n\";\n}\n",
    "SELECT u.id, COUNT(*) AS n\nFROM users AS u\nLEFT JOIN orders o ON o.user_id = u.id\nWHERE u.created_at >= '2024-01-01' AND o.total <> 0.00\nGROUP BY u.id HAVING COUNT(*) > 3;\n",
    "<!DOCTYPE html>\n<html lang=\"en\">\n  <head><meta charset=\"utf-8\"><title>A &amp; B</title></head>\n  <body class='x'><!-- note --><p>Hi<br/></p></body>\n</html>\n",
    "@media (max-width: 600px) {\n  .card > a:hover::after { content: \"\\2192\"; margin: 0 auto !important; }\n}\n",
    "{\"a\": [1, 2.5e-3, null, true], \"b\": {\"c\\u00e9\": \"\\\\n\"}}",
    "version: \"3.9\"\nservices:\n  web:\n    image: nginx:1.25-alpine\n    ports: [\"80:80\"]\n",
    "#!/usr/bin/env bash\nset -euo pipefail\nfor f in *.txt; do\n  [[ -f \"$f\" ]] && wc -l < \"$f\" | awk '{ s += $1 } END { print s }'\ndone\n",
    "quicksort :: Ord a => [a] -> [a]\nquicksort [] = []\nquicksort (p:xs) = quicksort [x | x <- xs, x < p] ++ [p] ++ quicksort [x | x <- xs, x >= p]\n",
    "(defun fact (n)\n  (if (<= n 1)\n      1\n      (* n (fact (- n 1)))))\n",
    "local t = setmetatable({}, { __index = function(_, k) return k .. '!' end })\nprint(#t, t.x)\n",
    "^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-z0-9]+)*|\"[^\"]*\")@(?:[a-z0-9-]+\\.)+[a-z]{2,}$",
    "section .text\n    global _start\n_start:\n    mov rax, 60        ; exit\n    xor rdi, rdi\n    syscall\n",
    "\\begin{equation}\n  \\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}\n\\end{equation}\n",
    "# Title\n\n- [x] done\n- [ ] *todo*\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```js\nlet x;\n```\n",
    "--- a/file.txt\n+++ b/file.txt\n@@ -1,3 +1,3 @@\n context\n-old line\n+new line\n",
    "all: build\n\nbuild: $(OBJS)\n\t$(CC) -o $@ $^ $(LDFLAGS)\n\n.PHONY: all\n",
    "if (a&&b||!c){x+=y<<2>>>1;z=~w^0xFF|0b1010&0o17;}else{return a?.b??c;}",
    "http://example.com:8080/path/to/page.html?query=1&x=%20y#frag",
    "C:\\Users\\name\\AppData\\Local\\Temp\\~tmp(1).txt",
    "i=0;while(i<10)i++;//no spaces",
    "printf(\"%5.2f%%\\t\\\"quoted\\\"\\0\");",
]

LANGUAGES = [
    "The quick brown fox jumps over the lazy dog.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; añoraba a su querido cachorro. ¿Sí? ¡No!",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. Γαζέες καὶ μυρτιὲς.",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İIıi",
    "Tôi có thể ăn thủy tinh mà không hại gì. Đường Nguyễn Huệ",
    "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ",
    "मैं काँच खा सकता हूँ और मुझे उससे कोई चोट नहीं पहुंचती।",
    "আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না।",
    "நான் கண்ணாடி சாப்பிடுவேன்",
    "მინას ვჭამ და არა მტკივა. Ապակի ուտել կարող եմ",
    "እኔ ብርጭቆ መብላት እችላለሁ",
    "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ ⠓⠑⠇⠇⠕ 𐌼𐌰𐌲 𓀀𓁐",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.",
]

CJK = [
    "你好，世界！", "我能吞下玻璃而不伤身体。", "我能吞下玻璃而不傷身體。", "私はガラスを食べられます。それは私を傷つけません。",
    "いろはにほへと ちりぬるを", "カタカナ ｶﾀｶﾅ ﾊﾝｶｸ　全角スペース", "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요",
    "한국어와 English를 섞은 문장 123", "中文English混合123，标点。《书名》「引用」", "東京都渋谷区１－２－３", "龘靐齉爩", "㐀㐁𠀀𠀁𪚥",
    "梦", "々〆〤", "ㄅㄆㄇㄈ", "각가", "人工智能的发展，使得机器可以理解自然语言；然而，它真的理解吗？",
]

EMOJI = [
    "😀", "😀😃😄", "Hello 👋 world 🌍!", "👍🏻👍🏼👍🏽👍🏾👍🏿", "👨‍👩‍👧‍👦", "👩🏽‍💻 codes", "🏳️‍🌈🏴‍☠️", "🇫🇷🇩🇪🇯🇵", "❤️ ❤", "1️⃣2️⃣#️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "🧑🏿‍🤝‍🧑🏻", "😶‍🌫️", "🫠🫡🪿", "☺️☹︎", "a😀b", "😀 😀", "🤷🏼‍♀️ shrug", "♟️♠♥♦♣", "✅❌⚠️ℹ️", "𝒜𝓃𝒹 𝕞𝕒𝕥𝕙 𝟘𝟙",
]

COMBINING = [
    "é", "e\u0301", "ñ n\u0303", "Å A\u030a \u212b", "Z\u0351\u036b\u0343a\u0365\u0350l\u0321\u0322g\u0301\u0335o\u031b\u0320",
    "\u0301alone", "a\u0300\u0301\u0302\u0303", "\ufb01 \ufb03 ﬁn", "\u1e9b\u0323", "क्षि त्र", "กำ ก็", "\u1100\u1161\u11a8", "ȷ̈ ı̇",
    "Ệ E\u0323\u0302", "\u0915\u093c \u0958",
]

RIGHT_TO_LEFT = [
    "שלום עולם", "אני יכול לאכול זכוכית וזה לא מזיק לי.", "שָׁלוֹם בְּרֵאשִׁית", "مرحبا بالعالم", "أنا قادر على أكل الزجاج و هذا لا يؤلمني.",
    "السَّلامُ عَلَيْكُم", "English עברית 123 العربية end", "\u202eoverride\u202c", "\u200fRLM\u200e LRM", "\u2067isolate\u2069", "من می‌توانم",
    "ܫܠܡܐ ދިވެހި",
]

WHITESPACE = [
    " ", "  ", "   ", "    ", "     ", "      ", "       ", "        ", "         ", "\t", "\t\t", "\t\t\t", "\n", "\n\n", "\n\n\n", "\r", "\r\n", "\r\n\r\n",
    " \n", "\n ", " \t ", "\t \t", "a b", "a  b", "a   b", "a    b", "a\tb", "a\nb", "a\n\nb", "a\r\nb", " a", "  a", "   a", "a ", "a  ", "a \n b",
    "\ta", "a\t", "\na", "a\n", "    return x", "\n    indented\n        more\n", "x\u00a0y", "\u00a0", "\u00a0\u00a0", "\u2003em\u2002en\u2009thin", "\u3000wide\u3000",
    "zero\u200bwidth", "\u200b", "\u200d", "\ufeffbom", "soft\u00adhyphen", "\u2028\u2029", "\u1680\u180e\u205f\u2060", "a\u000bb\u000cc\u0085d",
    "\u2581", "a\u2581b", "\u2581\u2581", " \u2581 ", "\u2581a", "a \u2581b",
    (" ", 16), (" ", 17), (" ", 33), (" ", 1000), ("\n", 100), ("\t", 100), (" \n", 64), ("\u00a0", 40), ("\r\n", 50), (" \t", 50),
]

CONTROL = [chr(code) for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)] + [
    "\x7f", "\x80\x9f", "a\x00b", "\x00", "\x00\x00\x00", "\x1b[31mred\x1b[0m", "\x01\x02\x03text\x04", "bell\x07 back\x08", "\ufffd", "\ufffe\uffff", "\U0010ffff",
    "\ue000\uf8ff", "".join(map(chr, range(0x20))), "a\x00 b\x00\n", "\x7f\x7f",
]

NUMBERS = [
    "0", "7", "42", "123", "1234567890", "3.14159265358979", "-1", "+1", "1e-10", "1,234,567.89", "0x1F", "0b1011", "1/2", "½ ¾ ²³", "٠١٢٣٤٥٦٧٨٩", "१२३", "Ⅳ ⅷ",
    "2024-02-29T23:59:59.999Z", "192.168.0.1", "::1", "100%", "$9.99", "€5", "10^6", "№5", "1st 2nd 3rd", "000", "99999999999999999999999999",
]

SINGLE = [
    "", "a", "Z", "é", "ß", "я", "中", "あ", "가", "ا", "😀", "!", "@", "#", "~", "`", "\"", "'", "\\", "/", "<", ">", "|", "{", "}", "[", "]", "_", "-", "€", "°", "…", "—", "“", "”",
    "\u00a0", "ﬀ",
]

SPECIAL_TEXT = [
    "<s>", "</s>", "<unk>", "<pad>", "<s>hello</s>", "a</s>b", "[INST]", "[/INST]", "[INST] hi [/INST]", "<s>[INST] hi [/INST] there</s>", "<0x0A>", "<0x00>",
    "<0xFF>", "a<0x41>b", "<s", "s>", "</s", "< s >", "<S>", "<<SYS>>\nx\n<</SYS>>", "<|im_start|>user\nhi<|im_end|>", "<bos><eos>", "<s><s><s>", " <s> ", "\n</s>\n",
    "<unk><unk>", "[AVAILABLE_TOOLS]", "<0x0a>", "▁<s>▁",
]

MISCELLANEOUS = [
    "Hello, world!", " Hello", "hello HELLO hElLo", "don't won't it's I'm", "\"quoted\" 'single' “curly” ‘curly’", "a-b_c.d,e;f:g", "....", "!!!???", "-----", "=====", "***bold***",
    "(nested [brackets {here}])", "supercalifragilisticexpialidocious", "antidisestablishmentarianism", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ababababababab", "xXxXxXxX",
    "camelCaseIdentifier snake_case_identifier SCREAMING_SNAKE", "e.g., i.e., etc. vs. Dr. Mr.", "user@example.com", "#hashtag @mention", "½ + ¼ ≠ ¾ ∑∏∫√∞ ≤≥ ±×÷", "← → ↑ ↓ ⇒ ⇔",
    "┌─┐│ │└─┘", "©®™§¶†‡•", "♪♫", "ﷺ", "a\u0000b", "The end.\n\n\nThe beginning.",
]

LONG = [
    ("a", 10_000), ("ab", 5_000), ("hello ", 2_000), ("中", 3_000), ("😀", 1_000), ("word", 2_500), ("=", 10_000), ("0", 10_000), ("/*", 500), ("日本語", 500),
    ("The quick brown fox jumps over the lazy dog. ", 223), ("\u0301", 2_000), ("x = f(x);\n", 1_000), ("é", 2_000), ("<s>", 500), ("a" * 499 + " ", 20),
]


def long_line() -> str:
    """Four thousand characters that never repeat, from a fixed sequence of words."""
    words = "der the of 42 foo_bar naïve 世界 == -> über   x, y. \t 😀 A9 ## привет".split(" ")
    state, line = 12345, ""
    while len(line) < 4_000:
        state = (state * 1103515245 + 12345) % 2**31
        line += words[state // 65536 % len(words)] + " " * (state // 1048576 % 3)
    return line


CORPUS = {
    "code": CODE,
    "languages": LANGUAGES,
    "CJK": CJK,
    "emoji": EMOJI,
    "combining marks": COMBINING,
    "right to left": RIGHT_TO_LEFT,
    "whitespace": WHITESPACE,
    "control characters": CONTROL,
    "numbers": NUMBERS,
    "single characters and the empty text": SINGLE,
    "special tokens as plain text": SPECIAL_TEXT,
    "miscellaneous": MISCELLANEOUS,
    "long lines": [*LONG, long_line()],
}
