using System.Buffers.Binary;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>Reads the fields of a protocol buffers message.</summary>
/// <param name="message">Its bytes.</param>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;
    private ulong _number;

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>The content of a field that holds bytes, text or a message.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>The value of a field that holds an integer.</summary>
    public readonly int Integer => unchecked((int)_number);

    /// <summary>The value of a field that holds true or false.</summary>
    public readonly bool Flag => _number != 0;

    /// <summary>The value of a field that holds a float.</summary>
    public readonly float Float => BitConverter.UInt32BitsToSingle((uint)_number);

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="FormatException">The message is malformed.</exception>
    public bool Next()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        ulong key = Varint();
        Field = checked((int)(key >> 3));
        Bytes = default;
        switch (key & 7)
        {
            case 0:
                _number = Varint();
                break;
            case 1:
                _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                Bytes = Take(Varint());
                break;
            case 5:
                _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw new FormatException($"a field of kind {key & 7} is no part of a SentencePiece model");
        }

        return true;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte b = Take(1)[0];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }

        throw new FormatException("a number has no end");
    }

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)_rest.Length)
        {
            throw new FormatException("it is cut short");
        }

        ReadOnlySpan<byte> taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }
}
