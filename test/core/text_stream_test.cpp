#include "check.h"
#include "core/text_stream.h"

using llama_native::incomplete_utf8_tail;
using llama_native::TextStream;

TEST("text without stop strings passes at once") {
    TextStream stream({});
    EQUAL(stream.push("Hello"), "Hello");
    EQUAL(stream.push(", world"), ", world");
    EQUAL(stream.finish(), "");
}

TEST("a character cut by a token boundary waits for its rest") {
    TextStream stream({});
    EQUAL(stream.push("a\xF0\x9F"), "a");
    EQUAL(stream.push("\x98"), "");
    EQUAL(stream.push("\x80!"), "\xF0\x9F\x98\x80!");
}

TEST("a character that never completes ends as U+FFFD") {
    TextStream stream({});
    EQUAL(stream.push("x\xE2\x82"), "x");
    EQUAL(stream.finish(), "\xEF\xBF\xBD");
}

TEST("bytes that are no UTF-8 are not held for ever") {
    TextStream stream({});
    EQUAL(stream.push("\xFF\xFE" "a"), "\xFF\xFE" "a");
    EQUAL(stream.push("\x80\x80\x80\x80"), "\x80\x80\x80\x80");
    EQUAL(incomplete_utf8_tail("\xC0"), 0u);
    EQUAL(incomplete_utf8_tail("\xF5"), 0u);
    EQUAL(incomplete_utf8_tail("\xC3"), 1u);
    EQUAL(incomplete_utf8_tail("\xE2\x82"), 2u);
    EQUAL(incomplete_utf8_tail("\xF0\x9F\x98"), 3u);
    EQUAL(incomplete_utf8_tail("\xF0\x9F\x98\x80"), 0u);
}

TEST("a stop string ends the text before it, also across pieces, and leaks no prefix") {
    TextStream stream({ "###END" });
    EQUAL(stream.push("Answer #"), "Answer ");
    EQUAL(stream.push("##"), "");
    EQUAL(stream.push("EN"), "");
    CHECK(!stream.stopped());
    EQUAL(stream.push("D more"), "");
    CHECK(stream.stopped());
    EQUAL(*stream.stop_string(), "###END");
    EQUAL(stream.push("ignored"), "");
    EQUAL(stream.finish(), "");
}

TEST("a prefix that turns out to be none is released") {
    TextStream stream({ "###END" });
    EQUAL(stream.push("a ##"), "a ");
    EQUAL(stream.push("b"), "##b");
    EQUAL(stream.push("#"), "");
    EQUAL(stream.finish(), "#");
}

TEST("overlapping beginnings keep the longest candidate") {
    TextStream stream({ "aab" });
    EQUAL(stream.push("aa"), "");
    EQUAL(stream.push("a"), "a");
    EQUAL(stream.push("b"), "");
    CHECK(stream.stopped());
}

TEST("of several stop strings the first in the text wins") {
    TextStream stream({ "world", "lo" });
    EQUAL(stream.push("hello world"), "hel");
    EQUAL(*stream.stop_string(), "lo");
}

TEST("a stop string may be a multi-byte character") {
    TextStream stream({ "\xE2\x82\xAC" });
    EQUAL(stream.push("5 \xE2"), "5 ");
    EQUAL(stream.push("\x82"), "");
    EQUAL(stream.push("\xAC rest"), "");
    CHECK(stream.stopped());
}
