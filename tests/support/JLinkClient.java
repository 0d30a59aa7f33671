/*
 * A program of J/Link for tests: it connects to a server, and obeys one command a line.
 *
 * "eval TEXT" prints the value of a text, "put KIND TEXT" that of a value which is put with the call
 * for its kind: string, symbol, decimal, integer or double. Every answer is one line, in which
 * characters outside ASCII are UTF-16 units as \\uXXXX; so are they in commands.
 */

import com.wolfram.jlink.KernelLink;
import com.wolfram.jlink.MathLinkException;
import com.wolfram.jlink.MathLinkFactory;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Scanner;

public class JLinkClient {
    public static void main(String[] arguments) throws Exception {
        KernelLink link = MathLinkFactory.createKernelLink(new String[] {
            "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", arguments[0], "-linkoptions", "4"});
        link.connect(60000);
        link.discardAnswer();
        answer("ready");
        Scanner commands = new Scanner(System.in, "US-ASCII");
        while (commands.hasNextLine()) {
            String[] words = commands.nextLine().split(" ", 3);
            try {
                if (words[0].equals("eval")) {
                    link.evaluate(unescaped(words[1] + (words.length > 2 ? " " + words[2] : "")));
                } else {
                    link.putFunction("EvaluatePacket", 1);
                    put(link, words[1], unescaped(words[2]));
                    link.endPacket();
                }
                link.waitForAnswer();
                answer(link.getExpr().toString());
            } catch (MathLinkException error) {
                answer("error " + error.getErrCode());
                link.clearError();
                link.newPacket();
            }
        }
        link.close();
    }

    private static void put(KernelLink link, String kind, String text) throws MathLinkException {
        switch (kind) {
            case "symbol" -> link.putSymbol(text);
            case "decimal" -> link.put(new BigDecimal(text));
            case "integer" -> link.put(new BigInteger(text));
            case "double" -> link.put(Double.parseDouble(text));
            default -> link.put(text);
        }
    }

    private static void answer(String text) {
        StringBuilder line = new StringBuilder();
        for (char unit : text.toCharArray()) {
            line.append(unit < 32 || unit > 126 ? String.format("\\u%04x", (int) unit) : String.valueOf(unit));
        }
        System.out.println(line);
        System.out.flush();
    }

    private static String unescaped(String text) {
        StringBuilder made = new StringBuilder();
        for (int at = 0; at < text.length(); at++) {
            if (text.startsWith("\\u", at)) {
                made.append((char) Integer.parseInt(text.substring(at + 2, at + 6), 16));
                at += 5;
            } else {
                made.append(text.charAt(at));
            }
        }
        return made.toString();
    }
}
